"""The ASGI application between uvicorn and the runtime: limits, routing, invocation, answer."""

import logging
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tools.local_host import runtime
from tools.local_host.admin import Admin
from tools.local_host.messages import Answer, BadHeaderError, Request, answer_of, joined_headers
from tools.local_host.record import Recorder
from tools.local_host.routing import Router

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

log = logging.getLogger("host")

# Kestrel's limits, and the body limit of the Functions host (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT).
_TARGET_BYTES = 8 * 1024
_HEADER_BYTES = 32 * 1024
_HEADER_COUNT = 100
_BODY_BYTES = 104_857_600


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Front:
    """Answers every request: /admin/ itself, the rest by the first function whose route matches, else 404."""

    def __init__(
        self, router: Router, admin: Admin, custom_headers: Mapping[str, str], recorder: Recorder | None = None
    ) -> None:
        self._router = router
        self._admin = admin
        # The real host adds them with TryAdd when the answer starts: they never replace what the app sent.
        self._custom_headers = dict(custom_headers)
        self._recorder = recorder

    async def __call__(self, scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(await _read_request(scope, receive))
        except _Refused as refused:
            answer = Answer(refused.status, (("connection", "close"),))
        await self._send(scope["path"], answer, send)

    async def _answer(self, request: Request) -> Answer:
        if request.path.lower().startswith("/admin/"):
            return self._admin.answer(request)
        match = self._router.match(request.method, request.path)
        if match is None:
            return Answer(404)
        outcome = await runtime.invoke(match.function, str(uuid.uuid4()), request.datum(match.parameters))
        if not outcome.succeeded or outcome.answer is None:
            return Answer(500)
        return answer_of(outcome.answer)

    async def _send(self, path: str, answer: Answer, send: "ASGISendCallable") -> None:
        try:
            headers = answer.wire_headers(self._custom_headers)
        except BadHeaderError as error:
            log.error("The answer can't be sent: %s.", error)
            answer = Answer(500)
            headers = answer.wire_headers(self._custom_headers)
        if self._recorder:
            self._recorder(path, answer, headers)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _read_request(scope: "HTTPScope", receive: "ASGIReceiveCallable") -> Request:
    """Build the request from the raw bytes; raises _Refused as Kestrel would refuse it."""
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    lines = list(scope["headers"])
    _check_target(target)
    _check_header_size(lines)
    if sum(name == b"host" for name, _ in lines) != 1 and scope["http_version"] == "1.1":
        raise _Refused(400)
    try:
        headers = joined_headers(lines)
    except BadHeaderError as error:
        raise _Refused(400) from error
    return Request(
        method=scope["method"],
        scheme=scope["scheme"],
        target=target.decode("ascii"),
        headers=headers,
        body=await _read_body(headers, receive),
    )


def _check_target(target: bytes) -> None:
    if len(target) > _TARGET_BYTES:
        raise _Refused(414)
    if any(not 0x21 <= byte <= 0x7E for byte in target) or b"%00" in target.partition(b"?")[0]:
        raise _Refused(400)


def _check_header_size(lines: list[tuple[bytes, bytes]]) -> None:
    size = sum(len(name) + len(value) + len(b": \r\n") for name, value in lines)
    if len(lines) > _HEADER_COUNT or size > _HEADER_BYTES:
        raise _Refused(431)


async def _read_body(headers: Mapping[str, str], receive: "ASGIReceiveCallable") -> bytes:
    """The whole body; a chunked one is dropped: the real host forwards a body only with a Content-Length."""
    length = headers.get("content-length", "0")
    if int(length) > _BODY_BYTES:
        raise _Refused(413)
    body = bytearray()
    more = True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400)
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _BODY_BYTES:
            raise _Refused(413)
    return bytes(body) if length != "0" else b""
