"""The same checks over every kind of storage that a stronghold may lie on."""

import copy
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.asyn import sync
from fsspec.implementations.dirfs import DirFileSystem

from realm.checkpoints.sidecar import SIDECAR
from tests.support import stronghold_servers as servers
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from tests.support.traversals import traversals
from vault.assets.ids import checkpoint_id
from vault.assets.manifest import Manifest, of_checkpoint, of_path
from vault.assets.partial import check_is_same
from vault.errors import Damaged, NotFound, Refused, Unreachable
from vault.strongholds import copying, fetching
from vault.strongholds.backend import Backend
from vault.strongholds.contract import StoredAsset
from vault.strongholds.copying import FileStronghold
from vault.strongholds.filesystem import UrlBackend
from vault.strongholds.folder import FolderBackend

pytestmark = pytest.mark.slow
KINDS = ("folder", "file", "memory", "s3", "webdav", "ssh")


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, UrlBackend]]:
    """By kind; each test has a root of its own below that."""
    folder = tmp_path_factory.mktemp("strongholds")
    for name in ("webdav", "ssh"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        bucket = stack.enter_context(servers.bucket())
        port = stack.enter_context(servers.webdav(folder / "webdav"))
        ssh = stack.enter_context(servers.ssh(folder / "ssh"))
        made = {
            "memory": UrlBackend("memory", "memory://all", {}),
            "s3": UrlBackend("s3", f"s3://{servers.BUCKET}/all", bucket),
            "webdav": UrlBackend("webdav", f"webdav://127.0.0.1:{port}/all", {}),
            "ssh": UrlBackend("ssh", "ssh://127.0.0.1/all", ssh),
        }
        yield made
        _hang_up({name: backend._fs.fs for name, backend in made.items()})


def _hang_up(made: dict[str, Any]) -> None:
    """The libraries leave it to the garbage collector, which complains in the middle of some other test."""
    made["webdav"].client.http.close()
    sync(made["s3"].loop, made["s3"]._s3.__aexit__, None, None, None)
    sync(made["ssh"].loop, made["ssh"]._pool.close)
    sync(made["ssh"].loop, made["ssh"]._stack.aclose)


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param in ("folder", "file"):
        (tmp_path / "root").mkdir()
        return FolderBackend(request.param, tmp_path / "root")
    own = copy.copy(request.getfixturevalue("backends")[request.param])
    own._fs = DirFileSystem(path=f"{own._fs.path}/{tmp_path.name}", fs=own._fs.fs, skip_instance_cache=True)
    return own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "heroes", 100)


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return of_checkpoint(checkpoint_id("DIO", folder.name), folder)


def stronghold_over(backend: Backend, **options: Any) -> FileStronghold:
    return FileStronghold(backend, writer="us", **options)


def spoil(backend: Backend, path: str) -> None:
    data = bytearray(b"".join(backend.read(path)))
    data[-1] ^= 1
    backend.write(path, iter([bytes(data)]))


def test_a_copy_goes_there_and_comes_back(backend: Backend, folder: Path, manifest: Manifest, tmp_path: Path) -> None:
    stronghold = stronghold_over(backend)
    quest = tmp_path / "train_x.jsonl"
    quest.write_bytes(b"{}\n" * 9)
    stored = stronghold.put(folder, manifest)
    other = stronghold.put(quest, of_path("data_train_x", "data", quest))
    assert {each.asset_id: each.manifest_sha256 for each in stronghold.assets()} == {
        manifest.asset_id: manifest.record_sha256,
        "data_train_x": other.manifest_sha256,
    }
    assert stronghold.manifest(stored) == manifest
    stronghold.verify(stored)
    stronghold.get(stored, tmp_path / "back")
    check_is_same(tmp_path / "back", manifest)
    stronghold.get(other, tmp_path / "back.jsonl")
    assert (tmp_path / "back.jsonl").read_bytes() == quest.read_bytes()
    with pytest.raises(Refused, match="exists already"):
        stronghold.get(stored, tmp_path / "back")

    stronghold.drop(stored)
    stronghold.drop(other)
    assert not list(stronghold.assets())
    assert not [name for name in ("checkpoints", "data") if backend.listing(name).files]
    with pytest.raises(NotFound):
        stronghold.manifest(stored)


def test_a_copy_that_broke_does_not_exist_and_goes_on(
    backend: Backend, folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut between members and within one: what had come whole is not sent again."""
    sent: list[str] = []
    write = type(backend).write

    def cut(self: Backend, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        write(self, path, iter([next(pieces)[:100]]))
        raise Unreachable("the cable was pulled")

    def note(self: Backend, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        told = list(pieces)
        sent.append(f"{path.rpartition('/')[2]} {sum(map(len, told))}")
        write(self, path, iter(told), append=append)

    stronghold = stronghold_over(backend)
    stronghold._claim()
    monkeypatch.setattr(type(backend), "write", cut)
    with pytest.raises(Unreachable):
        stronghold.put(folder, manifest)
    assert not list(stronghold.assets())

    monkeypatch.setattr(type(backend), "write", note)
    stored = stronghold.put(folder, manifest)
    stronghold.verify(stored)
    size = manifest.files[WEIGHTS].size_bytes
    part = f".tmp-us-{WEIGHTS} {size - 100}" if backend.can_append else f"{WEIGHTS} {size}"
    assert part in sent
    sent.clear()
    assert stronghold.put(folder, manifest).path == stored.path
    assert sent == []


def test_a_damaged_copy_is_refused_and_mended(
    backend: Backend, folder: Path, manifest: Manifest, tmp_path: Path
) -> None:
    stronghold = stronghold_over(backend)
    stored = stronghold.put(folder, manifest)
    spoil(backend, f"{stored.path}/{WEIGHTS}")
    with pytest.raises(Damaged, match=WEIGHTS):
        stronghold.verify(stored)
    with pytest.raises(Damaged, match=WEIGHTS):
        stronghold.get(stored, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    stronghold.put(folder, manifest)
    stronghold.verify(stored)

    spoil(backend, f"{stored.path}/{SIDECAR}")
    assert not list(stronghold.assets())
    with pytest.raises(Damaged, match=SIDECAR):
        stronghold.manifest(stored)


def test_another_checkpoint_of_that_name_is_not_overwritten(backend: Backend, folder: Path, manifest: Manifest) -> None:
    stronghold = stronghold_over(backend)
    stronghold.put(folder, manifest)
    shutil.rmtree(folder)
    other = make_checkpoint(folder.parent.parent, 100, train_loss=9.0)
    assert stronghold.put(other, of_checkpoint(manifest.asset_id, other)).manifest_sha256 == manifest.record_sha256
    (other / WEIGHTS).write_bytes(b"others")
    changed = {WEIGHTS: replace(manifest.files[WEIGHTS], sha256="0" * 64)}
    with pytest.raises(Refused, match="lies another"):
        stronghold.put(other, replace(manifest, files=manifest.files | changed))


def test_nothing_leads_out_of_the_root(backend: Backend, folder: Path, manifest: Manifest) -> None:
    for path in traversals("checkpoints/x")[:: 10 if backend.can_append else 50]:
        stored = StoredAsset(
            asset_id=manifest.asset_id, kind="checkpoint", name="x", path=path, size_bytes=1, created_at=""
        )
        with pytest.raises((Refused, NotFound, Damaged, Unreachable)):  # wsgidav hangs up on some names
            stronghold_over(backend).manifest(stored)
        with pytest.raises(Refused):
            backend.write(f"{path}/../x", iter([b"out"]))
    with pytest.raises(Refused):
        backend.read_at("../secret", 0, 1)


def test_what_was_a_stronghold_and_is_empty_is_not_believed(backend: Backend, folder: Path, manifest: Manifest) -> None:
    stronghold = stronghold_over(backend, known=True)
    with pytest.raises(Unreachable, match="not there"):
        list(stronghold.assets())
    with pytest.raises(Unreachable, match="not there"):
        stronghold.put(folder, manifest)
    assert not list(stronghold_over(backend).assets())


# What follows is the same everywhere, and tried where it is quickest.


@pytest.fixture
def nas(tmp_path: Path) -> FolderBackend:
    (tmp_path / "root").mkdir()
    return FolderBackend("nas", tmp_path / "root", seconds=20)


def test_bytes_that_change_on_their_way_are_never_called_copied(
    nas: FolderBackend, folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = FolderBackend.write

    def flip(self: FolderBackend, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        write(self, path, (bytes([piece[0] ^ 1]) + piece[1:] for piece in pieces), append=append)

    monkeypatch.setattr(FolderBackend, "write", flip)
    stronghold = stronghold_over(nas)
    with pytest.raises(Damaged, match="otherwise than it was sent"):
        stronghold.put(folder, manifest)
    assert not list(stronghold.assets())

    # Twin: without reading back, the damaged copy is called one.
    monkeypatch.setattr(FileStronghold, "_is_right", lambda *_: True)
    monkeypatch.setattr(copying, "TRIES", 1)
    with pytest.raises(Damaged, match=r"\.ledger\.json"):
        stronghold.put(folder, manifest)
    monkeypatch.setattr(FolderBackend, "write", write)
    assert stronghold.put(folder, manifest)


def test_a_source_that_is_damaged_is_not_copied(nas: FolderBackend, folder: Path, manifest: Manifest) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="not what its digest says"):
        stronghold_over(nas).put(folder, manifest)
    assert not list(stronghold_over(nas).assets())


def test_a_full_disk_is_said_and_leaves_nothing(
    nas: FolderBackend, folder: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: FolderBackend, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        self._do(lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    stronghold = stronghold_over(nas)
    stronghold._claim()
    monkeypatch.setattr(FolderBackend, "write", full)
    with pytest.raises(Refused, match="is full"):
        stronghold.put(folder, manifest)
    monkeypatch.undo()
    stored = stronghold.put(folder, manifest)

    def no_room(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.os, "fsync", no_room)
    with pytest.raises(Refused, match="is full"):
        stronghold.get(stored, tmp_path / "out" / "back")
    assert not list((tmp_path / "out").iterdir())


def test_a_byte_that_changes_while_it_is_fetched_is_asked_for_again(
    nas: FolderBackend, folder: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stronghold = stronghold_over(nas)
    stored = stronghold.put(folder, manifest)
    read_at, asked = FolderBackend.read_at, []

    def flip_first(self: FolderBackend, path: str, offset: int, length: int) -> bytes:
        asked.append(path)
        data = read_at(self, path, offset, length)
        return data if asked.count(path) > 1 else bytes([data[0] ^ 1]) + data[1:]

    monkeypatch.setattr(FolderBackend, "read_at", flip_first)
    stronghold.get(stored, tmp_path / "back")
    check_is_same(tmp_path / "back", manifest)
    assert len(asked) == 2 * len(manifest.files)


def test_a_fetch_goes_on_by_chunks(
    nas: FolderBackend, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that came before a cut are not asked for again; a foreign file among the parts goes."""
    monkeypatch.setattr(fetching, "CHUNK_BYTES", 100)
    monkeypatch.setattr("realm.checkpoints.sidecar.CHUNK_BYTES", 100)
    quest = tmp_path / "q.jsonl"
    quest.write_bytes(bytes(range(250)) * 2)
    stronghold = stronghold_over(nas)
    stored = stronghold.put(quest, of_path("data_q", "data", quest))
    read_at, asked = FolderBackend.read_at, []

    def cut_at_300(self: FolderBackend, path: str, offset: int, length: int) -> bytes:
        asked.append(offset)
        if offset == 300 and asked.count(300) == 1:
            raise Unreachable("the cable was pulled")
        return read_at(self, path, offset, length)

    monkeypatch.setattr(FolderBackend, "read_at", cut_at_300)
    with pytest.raises(Unreachable):
        stronghold.get(stored, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    stronghold.get(stored, tmp_path / "back")
    assert asked == [0, 100, 200, 300, 300, 400]
    assert (tmp_path / "back").read_bytes() == quest.read_bytes()
