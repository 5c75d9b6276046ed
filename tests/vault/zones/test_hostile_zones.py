"""Zones that answer rubbish, redirect, lie, never end, speak another protocol or say nothing: refused in words."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from realm.checkpoints.sidecar import SIDECAR, FileProof
from tests.support.zones import SMALL_CHUNK_BYTES, contents, make_model, manifest_of, small_chunks
from vault.assets import manifest as manifests
from vault.assets.manifest import Manifest
from vault.assets.partial import Gap
from vault.errors import Damaged, Refused, Unreachable, VaultError
from vault.officer import wire
from vault.strongholds.contract import unheard
from vault.zones import carrying, streams
from vault.zones import client as clients
from vault.zones.client import ZoneClient

pytestmark = pytest.mark.slow
HEAD = b"Realm-Protocol: 1\r\n"
STATUS = {
    "zone_id": "3090", "version": "1", "protocol": "1", "base_dir": "/x",
    "catalog": {"total": 1}, "disk": {"total_bytes": 2, "free_bytes": 1},
}  # fmt: skip


@contextmanager
def zone(answer: bytes | Callable[[socket.socket], None]) -> Iterator[ZoneClient]:
    """Says the same to each request, whatever it is."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connected, _ = listening.accept()
            except OSError:
                return
            with connected, suppress(OSError):
                connected.recv(65536)
                answer(connected) if callable(answer) else connected.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield ZoneClient("3090", f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def http(body: bytes, *, status: str = "200 OK", head: bytes = HEAD) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), head, body)


def said(value: Any) -> bytes:
    return http(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"rubbish\r\n\r\n", "does not answer"),
        (http(b"{]"), "answers rubbish"),
        (http(b"[" * 100_000), "answers rubbish"),
        (http(b"null"), "answers rubbish"),
        (said(STATUS | {"catalog": 3}), "answers rubbish: catalog"),
        (said(STATUS | {"disk": {"total_bytes": -1, "free_bytes": 1}}), "answers rubbish: total_bytes"),
        (said(STATUS | {"version": "a\u202eb"}), "answers rubbish: version"),
        (http(b"{}", head=b""), "is no branch officer"),
        (http(b"", status="302 Found", head=HEAD + b"Location: http://127.0.0.1:1/\r\n"), "redirects"),
        (http(b"x", head=HEAD + b"Content-Encoding: gzip\r\n"), "more than can be"),
        (http(b"x" * 300_000), "more than can be"),
        (http(b"{}", status="500 No"), "answers 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n" + HEAD + b"\r\n{}", "does not answer"),
    ],
)
def test_an_answer_that_is_none_is_told_in_words(answer: bytes, words: str) -> None:
    with zone(answer) as client, pytest.raises(Unreachable, match=words):
        client.status()


def test_another_protocol_is_refused_and_both_versions_are_named() -> None:
    words = r"zone 3090 speaks version '7'.* this one speaks version '1'"
    with zone(http(b"{}", head=b"Realm-Protocol: 7\r\n")) as client, pytest.raises(Refused, match=words):
        client.status()


def test_twin_without_the_check_another_protocol_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZoneClient, "check_head", lambda *arguments: None)
    with zone(http(json.dumps(STATUS).encode(), head=b"Realm-Protocol: 7\r\n")) as client:
        assert client.status().zone_id == "3090"


def test_another_zone_than_was_meant_is_refused() -> None:
    with zone(said(STATUS | {"zone_id": "4090"})) as client, pytest.raises(Refused, match="calls itself zone '4090'"):
        client.status()


def silent(connected: socket.socket) -> None:
    connected.recv(1)


def trickling(connected: socket.socket) -> None:
    connected.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connected.sendall(b"X: y\r\n")
        time.sleep(0.02)


@pytest.mark.parametrize("answer", [silent, trickling])
def test_a_zone_that_never_answers_is_waited_for_no_longer_than_said(answer: Callable[[socket.socket], None]) -> None:
    with zone(answer) as client, pytest.raises(Unreachable, match="does not answer"):
        client.status(seconds=0.2)


@pytest.mark.parametrize("answer", [silent, trickling])
def test_nor_for_bytes(
    answer: Callable[[socket.socket], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(carrying, "BROKEN_TRIES", 2)
    made = manifest_of(make_model(tmp_path / "Small-1M", 1000))
    with zone(answer) as client, pytest.raises(Unreachable, match="broke off"):
        carrying.pull(client, made, tmp_path / "got", progress=unheard)
    assert not (tmp_path / "got").exists()


def test_a_zone_that_takes_next_to_nothing_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sipping(connected: socket.socket) -> None:
        while not gave_up.wait(0.01):
            connected.recv(1)

    gave_up = threading.Event()
    monkeypatch.setattr(streams, "SILENT_SECONDS", 0.2)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 * 2**20)
    gap = Gap(path="large", start=0, end=64 * 2**20)
    with zone(sipping) as client, streams.Stream(client) as stream:
        with pytest.raises(Unreachable, match="says nothing"):
            stream.send("upload", "me", tmp_path / "large", gap, lambda count: None)
        gave_up.set()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Range: bytes 0-7/8\r\nContent-Length: 8\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Range: bytes 0-999/1000\r\nContent-Length: 99999\r\n",
        b"Content-Range: bytes 0-999/1000\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_other_bytes_than_were_asked_for_are_refused(
    head: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "BROKEN_TRIES", 1)
    made = manifest_of(make_model(tmp_path / "Small-1M", 1000))
    answer, words = (
        b"HTTP/1.1 206 Partial\r\n" + HEAD + head + b"\r\n" + b"x" * 2000,
        r"bytes than asked|another length",
    )
    with zone(answer) as client, pytest.raises(VaultError, match=words):
        carrying.pull(client, made, tmp_path / "got", progress=unheard)
    assert not (tmp_path / "got").exists()


CHECKPOINT = "checkpoint_5_DIO_20250101-0101"
PROOF = FileProof(sha256="0" * 64, size_bytes=3)
A_MANIFEST = {"asset_id": "model_a", "kind": "model", "name": "a", "files": {"b": asdict(PROOF)}}
LIES: dict[str, dict[str, Any]] = {
    "another asset": {"asset_id": "model_b"},
    "kind": {"kind": "data"},
    "negative size": {"files": {"b": asdict(PROOF) | {"size_bytes": -1}}},
    "size that is no number": {"files": {"b": asdict(PROOF) | {"size_bytes": "3"}}},
    "size beyond all": {"files": {"b": asdict(PROOF) | {"size_bytes": 2**60}}},
    "digest": {"files": {"b": asdict(PROOF) | {"sha256": "../../a"}}},
    "chunks": {"files": {"b": asdict(PROOF) | {"chunks": ["0" * 64] * 2}}},
    "no files": {"files": {}},
    "file and folder": {"files": {"b": asdict(PROOF), "b/c": asdict(PROOF)}},
    "letters alike": {"files": {"b": asdict(PROOF), "B": asdict(PROOF)}},
    "unknown key": {"more": 1},
    "version": {"format_version": 2},
    "hidden": {"name": ".ssh"},
    "hero's own file": {
        "asset_id": CHECKPOINT, "kind": "checkpoint", "name": "champion.json", "is_file": True,
        "files": {"champion.json": asdict(PROOF)},
    },
    "other name": {"asset_id": CHECKPOINT, "kind": "checkpoint", "name": "b", "files": {SIDECAR: asdict(PROOF)}},
    "no sidecar": {"asset_id": CHECKPOINT, "kind": "checkpoint", "name": "checkpoint-5-20250101-0101"},
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_lies_is_refused(lie: str) -> None:
    told = A_MANIFEST | LIES[lie]
    asked = CHECKPOINT if told["kind"] == "checkpoint" else "model_a"
    with zone(said({"manifest": told})) as client, pytest.raises(Refused):
        client.manifest(asked)


def test_twin_the_same_manifest_without_a_lie_is_taken() -> None:
    with zone(said({"manifest": A_MANIFEST})) as client:
        assert client.manifest("model_a").files == {"b": PROOF}


def test_twin_without_the_rule_a_file_of_the_heros_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "_check_checkpoint", lambda manifest: None)
    with zone(said({"manifest": A_MANIFEST | LIES["hero's own file"]})) as client:
        assert client.manifest(CHECKPOINT).name == "champion.json"


LISTED = {
    "whole_id": CHECKPOINT, "kind": "checkpoint", "name": "checkpoint-5-20250101-0101", "path": "a", "size_bytes": 1,
    "created_at": "2025-01-01T00:00:00+00:00",
}  # fmt: skip


@pytest.mark.parametrize(
    "lie",
    [
        {"name": "champion.json"},
        {"whole_id": "data_a", "kind": "data", "name": ".bashrc"},
        {"whole_id": "data_a", "kind": "data", "name": "a/b"},
        {"created_at": "9999-12-31T23:59:59-14:00"},
        {"created_at": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_list_that_lies_is_no_list(lie: dict[str, str]) -> None:
    with zone(said({"assets": [LISTED | lie]})) as client, pytest.raises(Unreachable, match="answers rubbish"):
        client.assets()


def test_twin_the_same_list_without_a_lie_is_taken() -> None:
    with zone(said({"assets": [LISTED]})) as client:
        assert [each.asset_id for each in client.assets()] == [CHECKPOINT]


def test_more_values_than_a_list_can_have_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_VALUES", 1000)
    with zone(said({"assets": [[]] * 1000})) as client, pytest.raises(Unreachable, match=r"answers rubbish$"):
        client.assets()


@pytest.fixture
def lying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Manifest]:
    """Of a model with many chunks: each one is right, and the digest of the whole is another's."""
    small_chunks(monkeypatch)
    source = make_model(tmp_path / "Small-1M", 3 * SMALL_CHUNK_BYTES)
    told = asdict(manifest_of(source))
    told["files"]["model.safetensors"]["sha256"] = "0" * 64
    return source, manifests.parse(told, source="lie")


def serving(source: Path) -> Callable[[socket.socket], None]:
    data = contents(source)

    def serve(connected: socket.socket) -> None:
        """The request was read; it is asked for whole files here, the larger one last."""
        for name in sorted(data):
            body = data[name]
            span = b"Content-Range: bytes 0-%d/%d\r\n" % (len(body) - 1, len(body))
            connected.sendall(http(body, status="206 Partial", head=HEAD + span))
            connected.recv(65536)

    return serve


def test_chunks_that_are_right_in_a_file_that_is_not_are_refused(lying: tuple[Path, Manifest], tmp_path: Path) -> None:
    source, told = lying
    with (
        zone(serving(source)) as client,
        pytest.raises(Damaged, match=r"model\.safetensors is not what its digest says"),
    ):
        carrying.pull(client, told, tmp_path / "got", progress=unheard)
    assert not (tmp_path / "got").exists()


def test_no_seconds_are_given_to_what_is_no_id() -> None:
    with pytest.raises(VaultError, match="is no asset's id"):
        clients.ZoneClient("3090", "http://127.0.0.1:1").manifest("../../etc/passwd")
