"""Who may ask: by which name, from which page, with which token; and what a browser may do with an answer."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Collection, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request, cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.use.page.answers import refusal, say_refused

POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d{1,5})?", re.ASCII)
"""A Host header: a name or an address, and a port."""

ENTER = "/api/enter"
"""Where a token is turned into a cookie."""

SHORTEST_TOKEN = 16


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server of that name or address."""
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


def check_token(token: str) -> None:
    """Raise ValueError for a token that is easily guessed, or that no header can carry."""
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable() and " " not in token):
        raise ValueError(
            f"a token must have at least {SHORTEST_TOKEN} characters of ASCII and no space, found "
            f"{len(token)}: leave it out, and one is drawn"
        )


class Names:
    """The names and addresses by which a server may be asked.

    A page of a stranger whose own name leads here, by a name server's trick, asks by that name and is refused.
    """

    def __init__(self, host: str, further: Iterable[str] = ()) -> None:
        self._loopback_only = is_loopback(host)
        self._names = {name.lower().rstrip(".") for name in ("localhost", host, *further)}
        if not self._loopback_only:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def __contains__(self, header: str) -> bool:
        """Whether a Host header names us. Its port is not looked at, as a tunnel may have another."""
        parts = HOST.fullmatch(header)
        if not parts:
            return False
        name = parts[1].lower().rstrip(".")
        address = _address(name)
        if address is None:
            return name in self._names
        return address.is_loopback or not self._loopback_only or name in self._names


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


class Pass:
    """A token, and the cookie that stands for it."""

    def __init__(self, token: str, port: int) -> None:
        self._token, self._name = token.encode(), f"erclap_{port}"
        self._value = hashlib.sha256(b"cookie " + self._token).hexdigest()

    def fits(self, token: str) -> bool:
        """Whether a token is this one, in a time that tells nothing of it."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def shown_by(self, headers: Headers) -> bool:
        """Whether a request carries the cookie, or the token as `Authorization: Bearer`."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.fits(token.strip())
        # Cookies of a host are those of all its ports: another application's may be odd.
        cookie = cookie_parser(headers.get("cookie", "")).get(self._name, "")
        return hmac.compare_digest(cookie.encode("utf-8", "surrogatepass"), self._value.encode())

    @property
    def cookie(self) -> str:
        """As Set-Cookie has it: no script reads it, and no other site's page sends it."""
        return f"{self._name}={self._value}; Path=/; HttpOnly; SameSite=Strict"


class Guard:
    """Refuses what is not for us before the application sees it, and marks every answer."""

    def __init__(self, app: ASGIApp, names: Collection[str] | Names, wanted: Pass | None) -> None:
        self._app, self._names, self._wanted = app, names, wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        request = Request(scope)
        try:
            self._check(request)
        except HTTPException as error:
            await say_refused(request, error)(scope, receive, marked)
            return
        await self._app(scope, receive, marked)

    def _check(self, request: Request) -> None:
        headers, path = request.headers, request.scope["path"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._names:
            raise refusal(421, "this server goes by another name: give it with --allow-host")
        if request.method not in ("GET", "HEAD") or path.startswith("/api/"):
            if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                raise refusal(403, "a page of another site must not ask here")
            origin = headers.get("origin")
            if origin is not None and origin.partition("://")[2].lower() != hosts[0].lower():
                raise refusal(403, "a page of another site must not ask here")
        if self._wanted and path.startswith("/api/") and path != ENTER and not self._wanted.shown_by(headers):
            raise refusal(
                401,
                "a token is needed: open the address that `erclap serve` printed, or send the token as "
                "Authorization: Bearer",
                www_authenticate="Bearer",
            )
