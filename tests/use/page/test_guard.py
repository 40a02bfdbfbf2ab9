"""Who may ask: hosts, origins, tokens; and what every answer says to a browser."""

from __future__ import annotations

import pytest

from pipeline.use.page.guard import HEADERS, Names, Pass, check_token
from tests.use.page.conftest import TOKEN

ADDRESSES = ("/", "/page.js", "/api/about", "/api/none", "/api/search")


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_is_marked(client, address):
    answer = client.get(address)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    refused = client.get(address, headers={"host": "elsewhere.example"})
    assert (refused.status_code, refused.headers["x-content-type-options"]) == (421, "nosniff")


def test_the_policy_lets_nothing_in_from_outside(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not {"unsafe-inline", "unsafe-eval", "*", "http:", "https:", "data:"} & set(policy.split())


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:9000", "LOCALHOST", "[::1]:8765", "127.0.0.2"])
def test_loopback_is_asked_by_any_of_its_names_and_any_port(client, host):
    assert client.get("/api/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "10.0.0.3", "0.0.0.0", "", "localhost/evil", "a@localhost",
     "localhost:8765:1", "localhost:x", "[::1", "localhost evil", "localhost.evil.example"],
)  # fmt: skip
def test_another_name_is_refused(client, host):
    assert client.get("/api/about", headers={"host": host}).status_code == 421


def test_a_server_for_others_is_asked_by_addresses_and_by_its_names(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "Studio")
    monkeypatch.setattr("socket.getfqdn", lambda: "studio.lab.example")
    names = Names("0.0.0.0", ["clips.example"])
    known = ("10.0.0.3:8765", "[fe80::1]", "studio", "STUDIO.lab.example:80", "clips.example", "localhost")
    assert all(name in names for name in known)
    assert "evil.example" not in names


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_gets_nothing(client, headers):
    assert client.post("/api/search", json={"text": "a"}, headers=headers).status_code == 403
    assert client.get("/api/about", headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 200  # which a link may lead to


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}],
)
def test_our_own_page_and_scripts_may_ask(client, headers):
    assert client.post("/api/search", json={"text": "a"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "address", ["/api/about", "/api/plane", "/api/openapi.json", "/api/audio/" + "0" * 16]
)
def test_without_the_token_nothing_is_told(guarded, address):
    answer = guarded.get(address)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "a token is needed" in answer.json()["error"]
    assert guarded.get("/").status_code == 200  # the page itself, which asks for it


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer  {TOKEN}"}, 200),
        ({"authorization": TOKEN}, 401),
        ({"authorization": "Bearer x"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer é".encode()}, 401),
        ({"cookie": f"erclap_8765={TOKEN}"}, 401),
        ({"cookie": "erclap_8765="}, 401),
        ({"cookie": "\x01=;;;=é".encode()}, 401),
        ({"cookie": Pass(TOKEN, 8765).cookie.split(";")[0]}, 200),
        ({"cookie": 'prefs={"a":1}; ' + Pass(TOKEN, 8765).cookie.split(";")[0]}, 200),
        ({"cookie": Pass(TOKEN + "x", 8765).cookie.split(";")[0]}, 401),
    ],
)  # fmt: skip
def test_the_token_or_its_cookie_opens(guarded, headers, status):
    assert guarded.get("/api/about", headers=headers).status_code == status


def test_a_token_is_turned_into_a_cookie_that_no_script_reads(guarded):
    answer = guarded.post("/api/enter", content=TOKEN)
    assert answer.json() == {"entered": True}
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert guarded.get("/api/about").status_code == 200
    guarded.cookies.clear()


@pytest.mark.parametrize("token", [b"", b"x", TOKEN[:-1].encode(), b"\xff\xfe"])
def test_another_token_opens_nothing(guarded, token):
    answer = guarded.post("/api/enter", content=token)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)


def test_a_server_without_a_token_lets_everybody_in(client):
    assert client.post("/api/enter", content=b"any").json() == {"entered": True}


@pytest.mark.parametrize(
    "token", ["", "short", "with a space in it, though", "ünicode-token-of-some-length", "x" * 15]
)
def test_a_poor_token_is_refused(token):
    with pytest.raises(ValueError, match="a token must have at least 16 characters"):
        check_token(token)
