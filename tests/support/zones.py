"""A branch officer behind a real socket, in a thread, and what it may hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from realm.checkpoints import sidecar
from realm.web.guard import Guard
from tests.support.servers import free_port
from vault.assets import members
from vault.assets.manifest import Manifest
from vault.officer import app, catalog, manifests
from vault.officer.app import Officer
from vault.officer.protocol_door import ProtocolDoor
from vault.zones import client
from vault.zones.client import ZoneClient

TIMEOUT_SECONDS = 30.0
SMALL_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Served:
    base: Path
    port: int
    url: str
    officer: Officer

    @property
    def client(self) -> ZoneClient:
        return ZoneClient("3090", self.url)


@contextmanager
def served(base: Path, zone: str = "3090", *, certificate: Path | None = None) -> Iterator[Served]:
    """It takes any host's name, as behind a token wall: tests reach it through wires on other ports.

    With a `certificate`, which holds its key too, by https.
    """
    base.mkdir(parents=True, exist_ok=True)
    port, officer = free_port(), Officer(zone, base)
    guarded = Guard(ProtocolDoor(officer.application), port=port, any_host=True)
    config = uvicorn.Config(guarded, port=port, log_level="critical", lifespan="off", ssl_certfile=certificate)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield Served(base, port, f"http{'s' if certificate else ''}://127.0.0.1:{port}", officer)
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_SECONDS)
        officer.close()


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is 64 KiB, so that small files have many."""
    for module in (sidecar, members, client, app):
        monkeypatch.setattr(module, "CHUNK_BYTES", SMALL_CHUNK_BYTES)


def make_model(folder: Path, size_bytes: int, *, seed: int = 0) -> Path:
    """A model's folder with weights that are noise."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(np.random.default_rng(seed).bytes(size_bytes))
    return folder


def manifest_of(place: Path) -> Manifest:
    return manifests.make(catalog.look_at(place), place)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, those that are on their way too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


async def asked_raw(application: Any, path: str, *, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """As a server hands a request on, which decodes the address once and removes nothing from it."""
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    head = {"type": "http", "method": method, "path": path, "query_string": b"", "scheme": "http", "root_path": ""}
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        said.append(message)

    await application(head | {"headers": [(b"host", b"127.0.0.1"), *told]}, receive, send)
    return said[0]["status"], b"".join(message.get("body", b"") for message in said[1:])
