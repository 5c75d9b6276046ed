"""An inference host that lies, stalls or babbles on request. Nothing of it thinks: it answers `echo: <prompt>`."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from realm.hosts import Host

SHA = "a" * 64
OTHER_SHA = "b" * 64


def realm_model(step: int, *, hero: str = "DIO", sha256: str = SHA) -> dict[str, Any]:
    name = f"checkpoint-{step}-20261121-1200" if step else "base"
    model = {"id": f"{hero}/{name}", "hero": hero, "step": step, "name": name, "sha256": sha256}
    return model | {"model_path": f"/world/{name}", "mode": "full", "memory_bytes": 1, "answers": 0}


@dataclass
class Stub:
    """Replies by `"METHOD /path"`: a status and a JSON value, or a function of the request's body that gives them."""

    port: int = 0
    replies: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """The client went away while a stream was sent to it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def host(self, kind: Any = "realm", **keys: Any) -> Host:
        foreign = {"models": {0: "base-model", 1000: "dio-1000"}, "hero": "DIO"} if kind == "openai" else {}
        return Host(
            **({"id": "stub", "name": "stub", "url": self.url, "kind": kind, "timeout_seconds": 30.0} | foreign | keys)
        )

    def bodies(self, path: str) -> list[Any]:
        return [body for asked, _, body in self.seen if asked == path]


@dataclass(frozen=True)
class Raw:
    """Sent as it is; `then_waits` holds the connection open afterwards, sending `drip` again and again."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    then_waits: bool = False
    drip: bytes = b""


def events(*values: Any, done: bool = True) -> Raw:
    lines = [f"data: {json.dumps(value)}\n\n" for value in values] + (["data: [DONE]\n\n"] if done else [])
    return Raw(body="".join(lines).encode(), headers=(("Content-Type", "text/event-stream"),))


def chunk(model: str, text: str = "", *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "model": model, "choices": [choice], **more}


def witness(model: dict[str, Any]) -> dict[str, Any]:
    return {"realm": {key: model[key] for key in ("hero", "step", "model_path", "sha256")}}


def spoken(model: dict[str, Any], *words: str) -> Raw:
    """A right answer of a realm host, streamed."""
    told = witness(model)
    usage = {"prompt_tokens": 3, "completion_tokens": len(words)}
    last = {"model": model["id"], "choices": [], "usage": usage, **told}
    return events(
        *(chunk(model["id"], word, **told) for word in words), chunk(model["id"], finish="stop", **told), last
    )


@contextmanager
def stub_host() -> Iterator[Stub]:
    stub, stop = Stub(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub, stop))
    server.daemon_threads = False
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(stub: Stub, stop: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null"))

        def _reply(self, body: Any) -> None:
            asked = f"{self.command} {self.path}"
            stub.seen.append((asked, dict(self.headers.items()), body))
            reply = stub.replies.get(asked, (404, {"error": {"message": f"no {asked} here"}}))
            self._send(reply(body) if callable(reply) else reply)

        def _send(self, reply: Any) -> None:
            if not isinstance(reply, Raw):
                status, value = reply
                reply = Raw(status=status, body=json.dumps(value).encode())
            self.send_response(reply.status)
            for key, value in reply.headers or (("Content-Type", "application/json"),):
                self.send_header(key, value)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                self.wfile.write(reply.body)
                self.wfile.flush()
                if reply.then_waits:
                    self._wait(reply.drip)
            except OSError:
                stub.gone.set()

        def _wait(self, drip: bytes) -> None:
            self.connection.settimeout(0.02)
            while not stop.is_set():
                if drip:
                    self.wfile.write(drip)
                try:
                    if not self.connection.recv(1):
                        stub.gone.set()
                        return
                except TimeoutError:
                    continue

    return Handler


@contextmanager
def raw_host(serve: Callable[[socket.socket], None]) -> Iterator[Host]:
    """Whatever `serve` does to each connection, which is no HTTP; it is closed afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_accept, args=(server, serve))
        thread.start()
        port = server.getsockname()[1]
        try:
            yield Host(id="raw", name="raw", url=f"http://127.0.0.1:{port}", kind="realm", timeout_seconds=0.3)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            try:
                serve(connection)
            except OSError:
                continue
