"""The description of the API says what the application does, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.use.page.app import Application
from pipeline.use.page.openapi import DESCRIPTION
from tests.use.page.test_api import wav

SCHEMAS = DESCRIPTION["components"]["schemas"]
TYPES = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "null": type(None)}


def fits(value: Any, schema: dict) -> bool:
    """Whether a value is what a schema says, as far as ours go."""
    if "$ref" in schema:
        return fits(value, SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if schema["type"] == "object":
        known = schema["properties"]
        return set(schema["required"]) <= set(value) <= set(known) and all(
            fits(value[name], known[name]) for name in value
        )
    if schema["type"] == "array":
        limits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return limits and all(fits(one, schema["items"]) for one in value)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return False
    return not isinstance(value, float) or schema.get("minimum", value) <= value <= schema.get(
        "maximum", value
    )


def test_every_address_is_described_and_no_other(library, ear):
    there = {
        (route.path, method.lower())
        for route in Application(library, ear, None).routes()
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api/") and route.path != "/api/openapi.json"
    }
    assert there == {(path, method) for path, told in DESCRIPTION["paths"].items() for method in told}


def test_the_description_is_served(client):
    assert client.get("/api/openapi.json").json() == DESCRIPTION


@pytest.mark.parametrize("address", ["/api/about", "/api/plane"])
def test_what_is_told_fits_the_description(client, address):
    told = DESCRIPTION["paths"][address]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert fits(client.get(address).json(), told)


def test_answers_fit_the_description(client):
    found = client.post("/api/search", json={"text": "any"}).json()
    assert fits(found, SCHEMAS["Answer"])
    assert fits(client.post("/api/search", json={"valence": 2, "arousal": 3}).json(), SCHEMAS["Answer"])
    assert fits(client.get(f"/api/waveform/{found['results'][0]['id']}").json(), SCHEMAS["Waveform"])
    assert fits(client.post("/api/hear", content=wav(3)).json(), SCHEMAS["Heard"])
    assert fits(client.post("/api/search", json={}).json(), SCHEMAS["Error"])
    assert not fits({"error": 3}, SCHEMAS["Error"])
    assert not fits({}, SCHEMAS["Answer"])
