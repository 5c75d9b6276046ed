"""What arrives at a branch officer: whole or not at all, and nothing that is not what it says."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from realm.checkpoints import sidecar
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from tests.support.traversals import traversals
from tests.support.zones import SMALL_CHUNK_BYTES, asked_raw, contents, make_model, manifest_of, small_chunks
from vault.assets import members, partial
from vault.assets.manifest import Manifest
from vault.officer import destinations
from vault.officer.app import Officer

pytestmark = pytest.mark.slow
SIZE_BYTES = 3 * SMALL_CHUNK_BYTES + 99


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    return tmp_path / "base"


@pytest.fixture
def officer(base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    small_chunks(monkeypatch)
    there = Officer("3090", base)
    yield TestClient(there.application)
    there.close()


@pytest.fixture
def model(tmp_path: Path, officer: TestClient) -> Path:
    return make_model(tmp_path / "Small-1M", SIZE_BYTES)


def announced(officer: TestClient, told: Manifest, **more: str) -> Any:
    reply = officer.post("/receive", json={"asset_id": told.asset_id, "manifest": asdict(told), **more})
    return reply.json() | {"status_code": reply.status_code}


def sent(officer: TestClient, source: Path, told: Manifest, **more: str) -> Any:
    said = announced(officer, told, **more)
    for gap in said["missing"]:
        data = (source / gap["path"]).read_bytes()[gap["start"] : gap["end"]]
        url = f"/receive/{said['upload']}/{gap['path']}"
        reply = officer.patch(url, content=data, headers={"Upload-Offset": str(gap["start"])})
        if reply.status_code != 200:
            return reply
    return officer.post(f"/receive/{said['upload']}/commit")


def test_it_is_whole_when_it_has_its_name(officer: TestClient, base: Path, model: Path) -> None:
    assert sent(officer, model, manifest_of(model)).json()["state"] == "done"
    assert contents(base / "Small-1M") == contents(model)
    assert announced(officer, manifest_of(model))["state"] == "there"
    assert officer.get("/assets/model_small_1m").json()["path"] == "Small-1M"


def test_a_checkpoint_comes_to_its_hero(officer: TestClient, base: Path, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "heroes", 100)
    assert sent(officer, folder, manifest_of(folder)).json()["state"] == "done"
    assert sidecar.verify(base / "heroes" / "DIO" / folder.name).step == 100


def test_what_was_sent_may_be_dropped(officer: TestClient, base: Path, model: Path) -> None:
    sent(officer, model, manifest_of(model))
    assert officer.post("/verify/model_small_1m").json()["bytes_read"] == SIZE_BYTES + 2
    assert officer.delete("/assets/model_small_1m").status_code == 200
    assert not [path for path in base.iterdir() if path.name != ".zone"]


def test_damage_is_found_when_it_is_verified(officer: TestClient, base: Path, model: Path) -> None:
    sent(officer, model, manifest_of(model))
    assert officer.post("/verify/model_small_1m").status_code == 200
    weights, facts = base / "Small-1M" / "model.safetensors", (base / "Small-1M" / "model.safetensors").stat()
    data = bytearray(weights.read_bytes())
    data[7] ^= 1
    weights.write_bytes(data)
    os.utime(weights, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # a disk that rots changes no time
    reply = officer.post("/verify/model_small_1m")
    assert reply.status_code == 422
    assert "model.safetensors" in reply.json()["error"]


def test_a_checkpoint_whose_manifest_and_sidecar_disagree_never_appears(
    officer: TestClient, base: Path, tmp_path: Path
) -> None:
    folder = make_checkpoint(tmp_path / "heroes", 100)
    told = manifest_of(folder)
    (folder / WEIGHTS).write_bytes(b"others")
    lying = replace(told, files=dict(told.files) | {WEIGHTS: sidecar.prove_file(folder / WEIGHTS)})
    reply = sent(officer, folder, lying)
    assert reply.status_code == 422
    assert "its manifest and its sidecar" in reply.json()["error"]
    assert not list(base.glob("heroes/DIO/checkpoint-*"))


def test_twin_without_the_sidecars_word_it_would(
    officer: TestClient, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "_check_sidecar", lambda folder, manifest: None)
    folder = make_checkpoint(tmp_path / "heroes", 100)
    told = manifest_of(folder)
    (folder / WEIGHTS).write_bytes(b"others")
    lying = replace(told, files=dict(told.files) | {WEIGHTS: sidecar.prove_file(folder / WEIGHTS)})
    assert sent(officer, folder, lying).status_code == 200


def test_other_bytes_than_were_promised_are_refused(officer: TestClient, base: Path, model: Path) -> None:
    told = manifest_of(model)
    (model / "model.safetensors").write_bytes(b"x" * SIZE_BYTES)
    reply = sent(officer, model, told)
    assert reply.status_code == 422
    assert "model.safetensors: bytes 0 to" in reply.json()["error"]
    assert not (base / "Small-1M").exists()


def test_a_full_disk_is_told_and_leaves_nothing(
    officer: TestClient, base: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told = manifest_of(model)
    monkeypatch.setattr(members, "_write_all", full)
    reply = sent(officer, model, told)
    assert reply.status_code == 409
    assert "is full" in reply.json()["error"]
    assert not [path for path in base.iterdir() if path.name != ".zone"]


def test_what_has_no_room_is_refused_before_a_byte_comes(
    officer: TestClient, base: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda path: SimpleNamespace(free=SIZE_BYTES))
    reply = announced(officer, manifest_of(model))
    assert reply["status_code"] == 409
    assert "no room" in reply["error"]
    assert not list((base / "Small-1M").glob("*"))


def test_something_else_of_that_name_stays(officer: TestClient, base: Path, model: Path) -> None:
    other = make_model(base / "Small-1M", 10, seed=2)
    before = contents(other)
    reply = announced(officer, manifest_of(model))
    assert reply["status_code"] in (409, 422)
    assert "is there already" in reply["error"]
    assert contents(other) == before


OWNED = {
    "hidden": ("model_a", ".a", ""),
    "secrets": ("model_a", "secrets", ""),
    "orders": ("model_a", "stop", "Control"),
    "secrets below": ("model_a", "a", "b/secrets"),
    "heroes": ("model_a", "heroes", "models"),
    "too deep": ("model_a", "a", "/".join("abcdefghijklm")),
    "hero's own": ("checkpoint_5_DIO_20250101-0101", "branches", ""),
}
"""Id, name and destination of what must not come."""


def owned(officer: TestClient, kind: str) -> Any:
    asset_id, name, destination = OWNED[kind]
    proof = {"sha256": "0" * 64, "size_bytes": 3}
    told = {"asset_id": asset_id, "kind": asset_id.split("_")[0], "name": name, "files": {"config.json": proof}}
    return officer.post("/receive", json={"manifest": told, "destination": destination})


@pytest.mark.parametrize("kind", OWNED)
def test_nothing_comes_to_where_other_things_have_their_place(officer: TestClient, base: Path, kind: str) -> None:
    assert owned(officer, kind).status_code == 409
    assert list(base.iterdir()) == []


def test_twin_without_the_rule_it_comes_among_orders(officer: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "NEVER", frozenset())
    assert owned(officer, "orders").json()["state"] == "open"


def test_more_bytes_than_a_file_has_are_refused(officer: TestClient, model: Path) -> None:
    url = f"/receive/{announced(officer, manifest_of(model))['upload']}/model.safetensors"
    data = (model / "model.safetensors").read_bytes()
    reply = officer.patch(url, content=data + b"more", headers={"Upload-Offset": "0"})
    assert (reply.status_code, "more came" in reply.json()["error"]) == (409, True)


def test_a_second_sender_waits_until_the_first_is_silent(officer: TestClient, model: Path) -> None:
    told = manifest_of(model)
    assert announced(officer, told, sender="first")["state"] == "open"
    assert announced(officer, told, sender="second")["state"] == "busy"
    assert announced(officer, told, sender="first")["state"] == "open"


async def test_no_spelling_of_a_file_is_written_that_the_manifest_does_not_name(
    officer: TestClient, tmp_path: Path, model: Path
) -> None:
    upload = announced(officer, manifest_of(model))["upload"]
    before = contents(tmp_path)
    for spelling in traversals():
        for path in {spelling, unquote(spelling)}:
            status, _ = await asked_raw(officer.app, f"/receive/{upload}/{path}", method="PATCH", upload_offset="0")
            assert status in (404, 405), path
    assert contents(tmp_path) == before
