"""A NAS may vanish, hang, or hold links that lead elsewhere."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkpoints import WEIGHTS, make_checkpoint
from vault.assets.ids import checkpoint_id
from vault.assets.manifest import Manifest, of_checkpoint
from vault.errors import Refused, Unreachable
from vault.strongholds import folder as folders
from vault.strongholds.copying import FileStronghold
from vault.strongholds.folder import FolderBackend


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    folder = make_checkpoint(tmp_path / "heroes", 100)
    return of_checkpoint(checkpoint_id("DIO", folder.name), folder)


def source(tmp_path: Path, manifest: Manifest) -> Path:
    return tmp_path / "heroes" / "DIO" / manifest.name


def unmount_in_mid_copy(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = FolderBackend.write

    def vanish(self: FolderBackend, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        write(self, path, pieces, append=append)
        if path.endswith(WEIGHTS):
            shutil.rmtree(mount)
            mount.mkdir()

    monkeypatch.setattr(FolderBackend, "write", vanish)


def test_one_that_vanishes_in_mid_copy_leaves_nothing_on_the_mount_point(
    mount: Path, tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmount_in_mid_copy(mount, monkeypatch)
    with pytest.raises(Unreachable):
        FileStronghold(FolderBackend("nas", mount), writer="us").put(source(tmp_path, manifest), manifest)
    assert not list(mount.iterdir())


def test_twin_without_the_marker_the_copy_goes_on_beside_it(
    mount: Path, tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmount_in_mid_copy(mount, monkeypatch)
    monkeypatch.setattr(FileStronghold, "_check_marked", lambda self: None)
    stronghold = FileStronghold(FolderBackend("nas", mount), writer="us")
    monkeypatch.setattr(FileStronghold, "_is_right", lambda *_: True)
    monkeypatch.setattr(FolderBackend, "rename", lambda *_: None)
    stronghold.put(source(tmp_path, manifest), manifest)
    assert list(mount.rglob("*"))


def test_one_that_hangs_is_given_up(
    mount: Path, tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    stronghold = FileStronghold(FolderBackend("nas", mount, seconds=0.2), writer="us")
    monkeypatch.setattr(FolderBackend, "_listing", lambda *_: hangs.wait())
    try:
        with pytest.raises(Unreachable, match=r"nas has not answered for 0\.2 seconds"):
            list(stronghold.assets())
    finally:
        hangs.set()


def test_links_are_not_followed(mount: Path, tmp_path: Path, manifest: Manifest) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (mount / "checkpoints").symlink_to(outside)
    stronghold = FileStronghold(FolderBackend("nas", mount), writer="us")
    with pytest.raises(Refused, match="behind a link"):
        stronghold.put(source(tmp_path, manifest), manifest)
    assert not list(outside.iterdir())
    assert not list(stronghold.assets())

    (mount / "checkpoints").unlink()
    stored = stronghold.put(source(tmp_path, manifest), manifest)
    weights = mount / stored.path / WEIGHTS
    (tmp_path / "secret").write_bytes(weights.read_bytes())
    weights.unlink()
    weights.symlink_to(tmp_path / "secret")
    with pytest.raises(Refused, match="behind a link"):
        stronghold.verify(stored)


def test_twin_a_link_that_is_followed_leads_out(
    mount: Path, tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (mount / "checkpoints").symlink_to(outside)
    monkeypatch.setattr(FolderBackend, "_inside", lambda self, path: self._root / folders.check_path(path or "x"))
    FileStronghold(FolderBackend("nas", mount), writer="us").put(source(tmp_path, manifest), manifest)
    assert list(outside.iterdir())
