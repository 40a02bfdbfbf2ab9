"""The routes of the page and its API."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.use.page import sounds
from pipeline.use.page.answers import HANDLERS, answer, refusal
from pipeline.use.page.desk import Desk
from pipeline.use.page.files import FILES
from pipeline.use.page.guard import ENTER, Guard, Names, Pass
from pipeline.use.page.library import Library
from pipeline.use.page.limits import (
    JSON_SECONDS,
    MAX_AUDIO_SECONDS,
    MAX_JSON_BYTES,
    MAX_RESULTS,
    MAX_SENTENCE,
    MAX_UPLOAD_BYTES,
    UPLOAD_SECONDS,
    WAVEFORM_PEAKS,
    WORK_SECONDS,
)
from pipeline.use.page.openapi import DESCRIPTION
from pipeline.use.page.questions import body_of, read_question
from pipeline.use.page.sentences import Sentences
from pipeline.use.page.uploads import Ear

SEARCHES_AT_ONCE, SEARCHES_WAITING = 2, 400
FILES_AT_ONCE, FILES_WAITING = 4, 400
UPLOADS_WAITING = 7


class Application:
    """What each address answers."""

    def __init__(self, library: Library, ear: Ear, wanted: Pass | None) -> None:
        self._library, self._ear, self._wanted = library, ear, wanted
        self._sentences = Sentences(library.embed_sentences, SEARCHES_WAITING)
        self._searches = Desk("search", SEARCHES_AT_ONCE, SEARCHES_WAITING)
        self._files = Desk("files", FILES_AT_ONCE, FILES_WAITING)
        self._hearing = Desk("hear", 1, UPLOADS_WAITING)

    def routes(self) -> list[Route]:
        """Each address, its method and its answer."""
        return [
            Route("/api/openapi.json", self.describe),
            Route("/api/about", self.about),
            Route("/api/plane", self.plane),
            Route("/api/search", self.search, methods=["POST"]),
            Route("/api/hear", self.hear, methods=["POST"]),
            Route("/api/audio/{file}", self.audio),
            Route("/api/waveform/{window}", self.waveform),
            Route(ENTER, self.enter, methods=["POST"]),
            *(Route(path, file.send) for path, file in FILES.items()),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Begin no more work once the server ends."""
        yield
        for desk in (self._sentences, self._searches, self._files, self._hearing):
            desk.close()

    async def describe(self, request: Request) -> Response:
        return answer(DESCRIPTION)

    async def about(self, request: Request) -> Response:
        limits = {
            "k": MAX_RESULTS,
            "sentence_characters": MAX_SENTENCE,
            "upload_bytes": MAX_UPLOAD_BYTES,
            "upload_seconds": MAX_AUDIO_SECONDS,
            "work_seconds": WORK_SECONDS,
        }
        return answer({**await self._searches.do(self._library.about), "limits": limits})

    async def plane(self, request: Request) -> Response:
        places = await self._searches.do(lambda: self._library.edition.places)
        return answer({"places": places})

    async def search(self, request: Request) -> Response:
        question = await read_question(request)
        sentence = None if question.text is None else await self._sentences.embedding(question.text)
        return answer(await self._searches.do(self._library.search, question, sentence))

    async def hear(self, request: Request) -> Response:
        with self._hearing.take(), self._ear.receiving() as file:
            with file.open("wb") as written:
                async for piece in body_of(request, MAX_UPLOAD_BYTES, UPLOAD_SECONDS):
                    written.write(piece)
            return answer(await self._hearing.call(self._ear.hear, file))

    async def audio(self, request: Request) -> Response:
        sound = await self._files.do(self._opened, request.path_params["file"])
        asked, if_range = request.headers.get("range"), request.headers.get("if-range")
        return sounds.send_sound(sound, request.path_params["file"], request.method, asked, if_range)

    async def waveform(self, request: Request) -> Response:
        found = await self._files.do(self._peaks, request.path_params["window"])
        return answer({"peaks": found}, headers={"cache-control": "private, max-age=600"})

    async def enter(self, request: Request) -> Response:
        token = b"".join([piece async for piece in body_of(request, MAX_JSON_BYTES, JSON_SECONDS)])
        if self._wanted is None:
            return answer({"entered": True})
        if not self._wanted.fits(token.decode("utf-8", "replace").strip()):
            raise refusal(401, "this is not the token that `erclap serve` printed", www_authenticate="Bearer")
        return answer({"entered": True}, headers={"set-cookie": self._wanted.cookie})

    def _opened(self, name: str) -> sounds.Sound:
        edition = self._library.edition
        row = edition.file(name)
        try:
            file = edition.index.audio(row)
            size, mtime_ns = (edition.index.files.column(name)[row].as_py() for name in ("size", "mtime_ns"))
            return sounds.open_sound(file, size, mtime_ns)
        except (OSError, RuntimeError) as error:
            if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
                raise refusal(
                    429, "too many files are open: ask again in a second", retry_after="1"
                ) from None
            raise _changed() from None

    def _peaks(self, name: str) -> list[float]:
        edition = self._library.edition
        part = edition.window(name)
        try:
            return sounds.peaks(edition.index.audio(part.file), part.start, part.end, WAVEFORM_PEAKS)
        except (OSError, RuntimeError):
            raise _changed() from None


def _changed() -> Exception:
    return refusal(
        410, "this recording is gone or has changed since it was indexed: run `erclap index` again"
    )


def build_app(library: Library, ear: Ear, names: Names, wanted: Pass | None = None) -> Guard:
    """The page and its API, as an ASGI application; who has no `wanted` pass is refused where one is given."""
    application = Application(library, ear, wanted)
    inner = Starlette(routes=application.routes(), exception_handlers=HANDLERS, lifespan=application.lifespan)
    inner.router.redirect_slashes = False
    return Guard(inner, names, wanted)
