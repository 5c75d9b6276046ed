"""The campaign finds what an API does otherwise than its document says; here in one that has a single address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from tests.campaigns import api

pytestmark = pytest.mark.slow

_TEXT = {"application/json": {"schema": {"type": "object", "required": ["text"]}}}
_DOCUMENT = {
    "openapi": "3.1.0", "info": {"title": "one", "version": "1"},
    "paths": {"/one": {"get": {"responses": {"200": {"description": "", "content": _TEXT}}}}},
}  # fmt: skip


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(status: str, told: Any) -> Iterator[str]:
    def one(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_document = environ["PATH_INFO"].endswith("openapi.json")
        start_response("200 OK" if is_document else status, [("Content-Type", "application/json")])
        return [json.dumps(_DOCUMENT if is_document else told).encode()]

    server = make_server("127.0.0.1", 0, one, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def broken(status: str = "200 OK", told: Any = None) -> list[str]:
    with answering(status, {"text": "a"} if told is None else told) as address:
        found = api.figures(api.ask(address, seed=1, cases=2), 2)
    return [figure.what for figure in found if not figure.kept]


def test_an_api_that_keeps_its_word_is_found_so() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("status", "told", "found"),
    [("500 Broken", {"text": "a"}, "answers of 5xx"), ("200 OK", {"words": "a"}, "answers unlike the document")],
)
def test_twin_whose_answers_are_others(status: str, told: Any, found: str) -> None:
    assert found in broken(status, told)


def test_twin_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SLOW_SECONDS", -1.0)
    assert broken() == ["answers after more than -1 s"]
