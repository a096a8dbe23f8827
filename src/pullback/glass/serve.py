"""A page with the engine behind it, for one person on this machine: a loopback server that checks every request."""

from __future__ import annotations

import errno
import hmac
import json
import math
import os
import secrets
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from ..core.errors import PullbackError
from .language import text

__all__ = ["PortError", "Server", "Subject"]

HOST = "127.0.0.1"
MOST_BYTES = 10_000
MOST_DISCARDED = 1 << 20
SECONDS = 30
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Subject(Protocol):
    """What a page shows and can change."""

    def page(self) -> str:
        """The page, as HTML that needs nothing else."""
        ...

    def edit(self, name: str, index: tuple[int, ...], value: float) -> dict[str, Any]:
        """Set an element, compute again, and return what the page embeds as data.

        Raises KeyError for a name that there is not, IndexError for an index, ValueError and the engine's
        errors for what cannot be computed.
        """
        ...


    def receipt(self, box: int, part: int, index: tuple[int, ...] | None) -> dict[str, Any]:
        """The receipt of a gradient that the page shows, by the number of its box: {"symbol": …, "text": …}.

        Raises KeyError for a box that there is not, IndexError for an element, and the engine's errors.
        """
        ...


class PortError(PullbackError, OSError):
    """A port cannot be listened on."""


class Server(ThreadingHTTPServer):
    """Serves one page on 127.0.0.1, to whoever has its address, which holds a token that nobody can guess.

    A request is answered when it names this host, comes from the page itself, and carries the token. Nothing
    is read from the disk. ``port`` 0 takes a free one. Raises `PortError` when the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would let another process take the port over
    request_queue_size = 16

    def __init__(self, subject: Subject, *, port: int = 0, lang: str | None = None) -> None:
        self.subject, self.lang = subject, lang
        self.token = secrets.token_urlsafe(24)
        self.turn = threading.Lock()
        try:
            super().__init__((HOST, port), _Request)
        except OSError as error:
            key = {errno.EADDRINUSE: "serve.taken", errno.EACCES: "serve.not_allowed"}.get(
                error.errno or 0, "serve.port"
            )
            raise PortError(text(key, lang, port=port)) from None
        except OverflowError:
            raise PortError(text("serve.port", lang, port=port)) from None

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which may take seconds and is not needed."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    @property
    def address(self) -> str:
        """The address to open, with the token in it."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def run(self) -> None:
        """Answer requests until Ctrl-C."""
        try:
            self.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that breaks off, which is the browser's business."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, key: str, **values: Any) -> None:
        super().__init__(key)
        self.status, self.key, self.values = status, key, values


class _Request(BaseHTTPRequestHandler):
    server: Server
    timeout = SECONDS
    server_version, sys_version = "pullback", ""

    def do_GET(self) -> None:
        self.respond(self.page)

    def do_POST(self) -> None:
        self.respond(self.ask)

    def page(self) -> tuple[str, bytes]:
        if self.place() != "":
            raise _Refusal(HTTPStatus.NOT_FOUND, "serve.nothing")
        with self.server.turn:
            return "text/html; charset=utf-8", self.server.subject.page().encode()

    def ask(self) -> tuple[str, bytes]:
        if "Origin" not in self.headers:
            raise _Refusal(HTTPStatus.FORBIDDEN, "serve.origin")
        asked = {"edit": self.edit, "receipt": self.receipt}.get(self.place())
        if asked is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, "serve.nothing")
        question = self.question()
        try:
            with self.server.turn:
                answer = asked(question)
        except (PullbackError, ValueError, TypeError, ArithmeticError) as error:
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "serve.fails", why=error) from None
        return "application/json", json.dumps(answer, allow_nan=False).encode()

    def edit(self, change: Any) -> dict[str, Any]:
        if not _is_change(change):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "serve.change")
        name, index = change["name"], tuple(change["index"])
        try:
            return self.server.subject.edit(name, index, float(change["value"]))
        except KeyError:
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "serve.name", name=name) from None
        except IndexError:
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "serve.index", name=name, index=list(index)) from None

    def receipt(self, question: Any) -> dict[str, Any]:
        if not _is_question(question):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "serve.question")
        index = None if question["index"] is None else tuple(question["index"])
        try:
            return self.server.subject.receipt(question["box"], question["part"], index)
        except KeyError:
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "serve.box", box=question["box"]) from None
        except IndexError:
            element = {"name": question["box"], "index": list(index or ())}
            raise _Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "serve.element", **element) from None

    # --------------------------------------------------------------------------------- what is checked

    def place(self) -> str:
        """The path behind the token. Refuses another host, another origin, and another token."""
        own = f"{HOST}:{self.server.server_port}"
        if self.headers.get_all("Host") != [own]:
            raise _Refusal(HTTPStatus.FORBIDDEN, "serve.host")
        if self.headers.get_all("Origin", [f"http://{own}"]) != [f"http://{own}"]:
            raise _Refusal(HTTPStatus.FORBIDDEN, "serve.origin")
        _, token, *rest = [*self.path.split("/", 2), ""]
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refusal(HTTPStatus.FORBIDDEN, "serve.token")
        return rest[0]

    def question(self) -> Any:
        """The JSON that was sent; None for what is none."""
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "serve.type")
        length = self.length()
        if length is None or "Transfer-Encoding" in self.headers:
            raise _Refusal(HTTPStatus.LENGTH_REQUIRED, "serve.length")
        if length > MOST_BYTES:
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "serve.large", most=MOST_BYTES)
        body, self.unread = self.rfile.read(length), 0
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None

    def length(self) -> int | None:
        shown = self.headers.get_all("Content-Length", [])
        return int(shown[0]) if len(shown) == 1 and shown[0].isascii() and shown[0].isdigit() else None

    # ---------------------------------------------------------------------------------------- the answer

    def respond(self, answer: Callable[[], tuple[str, bytes]]) -> None:
        self.unread = self.length() or 0
        try:
            (kind, body), status = answer(), HTTPStatus.OK
        except _Refusal as refusal:
            status, kind = refusal.status, "application/json"
            body = json.dumps({"error": text(refusal.key, self.server.lang, **refusal.values)}).encode()
        if 0 < self.unread <= MOST_DISCARDED:  # else the client might never see the answer
            self.rfile.read(self.unread)
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal, and the token, out of it."""


def _is_change(change: Any) -> bool:
    """Whether this is {"name": text, "index": [whole numbers], "value": number}, and nothing else."""
    if not isinstance(change, dict) or change.keys() != {"name", "index", "value"}:
        return False
    name, index, value = change["name"], change["index"], change["value"]
    return (
        isinstance(name, str)
        and _is_index(index)
        and type(value) in (int, float)
        and abs(value) <= 1e300
        and math.isfinite(value)
    )


def _is_question(question: Any) -> bool:
    """Whether this is {"box": whole number, "part": whole number, "index": [whole numbers] or None}."""
    if not isinstance(question, dict) or question.keys() != {"box", "part", "index"}:
        return False
    box, part, index = question["box"], question["part"], question["index"]
    return _is_count(box) and _is_count(part) and (index is None or _is_index(index))


def _is_index(index: Any) -> bool:
    return isinstance(index, list) and len(index) <= 32 and all(map(_is_count, index))


def _is_count(i: Any) -> bool:
    return type(i) is int and 0 <= i < 1 << 31
