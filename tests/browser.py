"""A real browser for tests of pages: found on the path, shown a document, or driven as a person would.

Where none is installed the tests that ask are skipped, but in CI, which sets the variable CI, they fail.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")

QUIET = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE = 30.0
"""Seconds, after which what a test waits for does not come."""

KEYS = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


def find_browser() -> str:
    """Where the browser is. Without one the test that asks is skipped, or fails in CI, which has to have one."""
    found = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if found is not None:
        return found
    missing = f"no browser is installed: none of {', '.join(BROWSERS)} is on the path"
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def command(profile: Path, *further: str) -> list[str]:
    """What starts it quietly, with a profile of its own."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    return [find_browser(), *QUIET, *sandbox, f"--user-data-dir={profile}", *further]


class Tab:
    """One tab of a browser that is driven through a pair of pipes, by the Chrome DevTools Protocol."""

    def __init__(self, folder: Path, *further: str) -> None:
        started = command(folder / "profile", "--remote-debugging-pipe", *further, "about:blank")
        reads, self._out = _high_pipe()
        self._in, writes = _high_pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "bash", *started],
            pass_fds=(reads, writes),
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._number, self._rest, self._session = 0, b"", ""
        self.console: list[str] = []
        """What the page and the browser complained of since it was last emptied."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._session = ""
            self._write("Browser.close", {})
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        number = self._write(method, params)
        while True:
            told = self._read()
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return dict(told["result"])

    def _write(self, method: str, params: dict[str, Any]) -> int:
        self._number += 1
        said = {"id": self._number, "method": method, "params": params}
        if self._session:
            said["sessionId"] = self._session
        left = json.dumps(said).encode() + b"\0"
        while left:
            left = left[os.write(self._out, left) :]
        return self._number

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            if not select.select([self._in], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser says nothing")
            got = os.read(self._in, 1 << 20)
            if not got:
                raise RuntimeError("the browser has ended")
            self._rest += got
        whole, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(whole)
        self._note(told.get("method"), told.get("params", {}))
        return told

    def _note(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(str(details.get("exception", {}).get("description", details["text"])))
        elif event == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(one.get("value")) for one in params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.console.append(params["entry"]["text"])

    def open(self, address: str) -> None:
        """Load a page anew, and wait until it has loaded."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def ask(self, script: str) -> Any:
        """The value of an expression, or what its promise comes to."""
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise RuntimeError(
                f"{details.get('exception', {}).get('description', details['text'])} in {script}"
            )
        return told["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        polling = (
            f"new Promise((done) => {{ let left = 200; (function look() {{ const found = Boolean({condition});"
            "if (found || left-- === 0) done(found); else setTimeout(look, 5); })(); })"
        )
        while time.monotonic() < deadline:
            with suppress(RuntimeError):  # the page was left meanwhile
                if self.ask(polling):
                    return
        raise AssertionError(
            f"never came: {condition}; the page says {self.ask('document.body.innerText')[:800]}"
        )

    def screen(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Show the page so large, light or dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        media = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.send("Emulation.setEmulatedMedia", features=features)

    def middle(self, script: str) -> tuple[float, float]:
        """Where the middle of an element is on the screen, into which it is brought."""
        box = self.ask(
            f"(() => {{ const one = {script}; one.scrollIntoView({{ block: 'nearest' }});"
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        return box[0], box[1]

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One event of the mouse."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, script: str) -> None:
        """Click on the middle of an element."""
        self.drag([self.middle(script)])

    def drag(self, places: list[tuple[float, float]]) -> None:
        """Press the mouse at the first place, move it over the others, and let go at the last."""
        self.mouse("mouseMoved", *places[0])
        self.mouse("mousePressed", *places[0], button="left", clickCount=1)
        for place in places[1:]:
            self.mouse("mouseMoved", *place, button="left", buttons=1)
        self.mouse("mouseReleased", *places[-1], button="left", clickCount=1)

    def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key and let go."""
        text = {"Enter": "\r", " ": " "}.get(name, "")
        pressed = {"key": name, "windowsVirtualKeyCode": KEYS[name], "modifiers": 8 if shift else 0}
        code = {" ": "Space"}.get(name, name)
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, code=code, **pressed)
        self.send("Input.dispatchKeyEvent", type="keyUp", code=code, **pressed)

    def write(self, text: str) -> None:
        """Type a text where the focus is."""
        self.send("Input.insertText", text=text)

    def drop(self, file: Path, x: float, y: float) -> None:
        """Drag a file from elsewhere onto the page, and let go."""
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """What is on the screen, or the whole page, as a PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))


def _high_pipe() -> tuple[int, int]:
    """Both ends, above the numbers that the browser gets its own at."""
    ends = os.pipe()
    try:
        first, second = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return first, second
