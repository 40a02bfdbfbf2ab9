"""The API in the words of OpenAPI 3.1; its tests hold the application to it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pipeline.use.page.limits import (
    HIGHEST,
    LOWEST,
    MAX_AUDIO_SECONDS,
    MAX_RESULTS,
    MAX_SENTENCE,
    MAX_UPLOAD_BYTES,
    PLANE_PLACES,
    WAVEFORM_PEAKS,
    WORK_SECONDS,
)

Schema = dict[str, Any]

REFUSALS = {
    400: "The request says something that cannot be answered.",
    401: "A token is needed.",
    403: "A page of another site asks.",
    404: "The index has no such file or window.",
    408: "The body did not arrive in time.",
    410: "The recording is gone, or has changed since it was indexed.",
    413: "The body is too large.",
    415: "The body is of another type.",
    416: "The range is none of this recording.",
    421: "The server goes by another name.",
    422: "The recording cannot be heard.",
    429: "Too many ask at once; ask again.",
}
ALWAYS = (400, 401, 403, 421, 429)

FILE_ID, WINDOW_ID = "^[0-9a-f]{16}$", "^[0-9a-f]{16}-[0-9]{1,12}$"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


NUMBER, TEXT, COUNT, FLAG = (
    {"type": "number"},
    {"type": "string"},
    {"type": "integer", "minimum": 0},
    {"type": "boolean"},
)
PLACE = {"type": ["number", "null"]}
PLANE = {"valence": PLACE, "arousal": PLACE}
ASKED = {"type": "number", "minimum": LOWEST, "maximum": HIGHEST}
K = {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": 10}


def _question(*required: str, **properties: Schema) -> Schema:
    return {**_object(**properties, k=K), "required": list(required)}


SCHEMAS: dict[str, Schema] = {
    "Error": _object(error=_said(TEXT, "One line.")),
    "About": _object(
        model=_said(TEXT, "The folder's name, or the hub's."),
        title=_said(TEXT, "What the method is called."),
        digest=_said(TEXT, "Stands for the model's weights and what its encoders do."),
        synthetic=_said(FLAG, "Whether the model has learnt from synthetic speech alone."),
        files=COUNT,
        windows=COUNT,
        hours=NUMBER,
        has_attributes=_said(FLAG, "Whether windows have valence, arousal and dominance."),
        has_captions=_said(FLAG, "Whether the model has captions to describe by."),
        limits=_object(
            k=COUNT, sentence_characters=COUNT, upload_bytes=COUNT, upload_seconds=NUMBER, work_seconds=NUMBER
        ),
    ),
    "Question": {
        "oneOf": [
            _question(
                "text",
                text={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_SENTENCE,
                    "pattern": "[^\\s\\u001c-\\u001f\\u0085]",
                },
            ),
            _question("valence", "arousal", valence=ASKED, arousal=ASKED),
            _question("like", like=_said({"type": "string"}, "The id of a window.")),
        ]
    },
    "Caption": _object(text=TEXT, score=_said(NUMBER, "A cosine."), valence=NUMBER, arousal=NUMBER),
    "Result": _object(
        id=_said(
            {"type": "string", "pattern": WINDOW_ID}, "The window's; it stays when the index is made again."
        ),
        file=_said({"type": "string", "pattern": FILE_ID}, "The file's."),
        path=_said(TEXT, "Below the folder that was indexed."),
        start=_said(NUMBER, "Seconds into the recording."),
        end=NUMBER,
        score=_said(
            NUMBER, "A cosine; of a search by a point, 1 less the distance over the plane's diagonal."
        ),
        **PLANE,
        dominance=PLACE,
    ),
    "Answer": _object(
        query=_object(**PLANE, captions=_said(_list(_ref("Caption")), "Those nearest to a sentence.")),
        results=_said(_list(_ref("Result"), maxItems=MAX_RESULTS), "Best first."),
    ),
    "Heard": _object(
        heard=_said(
            NUMBER, f"Seconds that were heard: less than duration where {WORK_SECONDS:g} s were not enough."
        ),
        duration=NUMBER,
        windows=_list(
            _object(
                start=NUMBER,
                end=NUMBER,
                **PLANE,
                dominance=PLACE,
                sentences=_list(_ref("Caption")),
                results=_list(_ref("Result")),
            )
        ),
    ),
    "Places": _object(places=_list(_list(NUMBER, minItems=2, maxItems=2), maxItems=PLANE_PLACES)),
    "Waveform": _object(
        peaks=_list(
            {"type": "number", "minimum": 0, "maximum": 1}, minItems=WAVEFORM_PEAKS, maxItems=WAVEFORM_PEAKS
        )
    ),
    "Entered": _object(entered=FLAG),
}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _operation(name: str, summary: str, answers: Schema, *refused: int, **more: Any) -> Schema:
    refusals = {
        str(status): {"description": REFUSALS[status], "content": _json(_ref("Error"))}
        for status in sorted({*ALWAYS, *refused})
    }
    return {"operationId": name, "summary": summary, "responses": {**answers, **refusals}, **more}


def _answers(name: str, description: str) -> Schema:
    return {"200": {"description": description, "content": _json(_ref(name))}}


def _by(name: str, pattern: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}


def _body(content: Schema) -> Schema:
    return {"required": True, "content": content}


AUDIO = {"audio/*": {"schema": {"type": "string", "format": "binary"}}}
ONE_RANGE = {"type": "string", "pattern": "^bytes=([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})$"}
RANGE = {"name": "Range", "in": "header", "schema": ONE_RANGE, "example": "bytes=0-65535"}
RECORDING = {"*/*": {"schema": {"type": "string", "format": "binary"}}}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "erclap serve",
        "version": version("emotionrankclap"),
        "summary": "Search recordings by how they sound.",
        "description": "Valence, arousal and dominance are on 1..7, as the model's speech encoder hears them.",
    },
    "paths": {
        "/api/about": {
            "get": _operation(
                "about", "What is searched, and by which model", _answers("About", "The model and the index.")
            )
        },
        "/api/search": {
            "post": _operation(
                "search",
                "The windows that suit a sentence, a mood or another window best",
                _answers("Answer", "At most one window of a file."),
                *(404, 408, 413, 415),
                requestBody=_body(_json(_ref("Question"))),
            )
        },
        "/api/hear": {
            "post": _operation(
                "hear",
                f"How a recording of at most {MAX_UPLOAD_BYTES >> 20} MiB and {MAX_AUDIO_SECONDS:g} s sounds",
                _answers("Heard", "Each of its windows."),
                *(408, 413, 422),
                requestBody=_body(RECORDING),
            )
        },
        "/api/audio/{file}": {
            "get": _operation(
                "audio",
                "A file of the index; as wav where browsers do not play it",
                {
                    "200": {"description": "The whole of it.", "content": AUDIO},
                    "206": {"description": "The range that was asked for.", "content": AUDIO},
                },
                *(404, 410, 416),
                parameters=[_by("file", FILE_ID), RANGE],
            )
        },
        "/api/waveform/{window}": {
            "get": _operation(
                "waveform",
                "The outline of a window",
                _answers("Waveform", "Peaks in equal parts of it, of full scale."),
                *(404, 410),
                parameters=[_by("window", WINDOW_ID)],
            )
        },
        "/api/plane": {
            "get": _operation(
                "plane", "Where windows lie", _answers("Places", "Valence and arousal of some, evenly chosen.")
            )
        },
        "/api/enter": {
            "post": _operation(
                "enter",
                "A token turned into a cookie",
                _answers("Entered", "With the cookie, where this server has a token."),
                *(408, 413),
                requestBody={"content": {"text/plain": {"schema": TEXT}}},
                security=[],
            )
        },
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
    "security": [{}, {"token": []}],
}  # fmt: skip
