"""Where assets lie, and what it takes to bring them here."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realm.checkpoints import sidecar
from realm.world import World
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from tests.support.traversals import traversals
from vault import VaultDiscovery, VaultKeeper, ask_vault_first, chronicle
from vault.assets import rows
from vault.assets.resolving import resolve
from vault.copies import bringing, fetched, making
from vault.errors import Damaged, NotFound, Refused, Unreachable
from vault.index import scan
from vault.models import Asset, Location
from vault.strongholds.copying import FileStronghold
from vault.strongholds.folder import FolderBackend
from vault.strongholds.registry import StorageRegistry

pytestmark = pytest.mark.django_db
WHOLE_ID = "checkpoint_100_DIO_20260101-1230"


@pytest.fixture
def keeper(world: World) -> VaultKeeper:
    return VaultKeeper(world)


@pytest.fixture
def copied(keeper: VaultKeeper, nas: Path, checkpoint: Path) -> Path:
    """The copy at the NAS."""
    location = keeper.copy("checkpoint_100", "nas")
    return nas / location.path


def spoil(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_a_checkpoint_is_located_by_any_of_its_names(keeper: VaultKeeper, checkpoint: Path, nas: Path) -> None:
    for name in ("checkpoint_100", WHOLE_ID, checkpoint.name, "100"):
        found = keeper.locate(name)
        assert (found.found, found.asset_id) == (True, WHOLE_ID)
        assert found.best_location is not None
        assert (found.best_location.path, found.best_location.stronghold) == (str(checkpoint), "local")
    nothing = keeper.locate("checkpoint_99")
    assert (nothing.found, nothing.best_location, nothing.locations) == (False, None, ())
    assert "knows no checkpoint of step 99" in nothing.message


def test_a_short_id_that_two_heroes_share_names_them(keeper: VaultKeeper, world: World) -> None:
    for hero in ("EVA", "UNO"):
        make_checkpoint(world.heroes, 7, hero=hero)
    message = keeper.locate("checkpoint_7").message
    assert "checkpoint_7_EVA_20260101-1230, checkpoint_7_UNO_20260101-1230" in message
    make_checkpoint(world.heroes, 7)
    scan(world)
    assert keeper.locate("checkpoint_7").asset_id == "checkpoint_7_DIO_20260101-1230"


def test_what_is_no_longer_on_the_disk_is_not_told(keeper: VaultKeeper, checkpoint: Path, copied: Path) -> None:
    assert [each.stronghold for each in keeper.locate(WHOLE_ID).locations] == ["local", "nas"]
    shutil.rmtree(checkpoint)
    (found,) = keeper.locate(WHOLE_ID).locations
    assert (found.stronghold, found.type, found.path, found.elsewhere) == ("nas", "nas", str(copied), True)
    assert found.verified_at is not None


def test_it_is_fetched_whole_and_never_over_anything(keeper: VaultKeeper, copied: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    into = keeper.fetch("checkpoint_100", tmp_path / "out")
    assert (into.success, into.local_path) == (True, str(tmp_path / "out" / copied.name))
    assert into.bytes_transferred > 1000
    sidecar.verify(Path(into.local_path))
    named = keeper.fetch("checkpoint_100", tmp_path / "mine", source="nas")
    assert (named.success, named.local_path, named.source) == (True, str(tmp_path / "mine"), "nas")
    again = keeper.fetch("checkpoint_100", tmp_path / "out")
    assert (again.success, type(again.error)) == (False, Refused)
    unknown = keeper.fetch("data_none", tmp_path / "x")
    assert (unknown.success, type(unknown.error)) == (False, NotFound)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "nas", "out", "world"]


@pytest.mark.slow
def test_a_damaged_copy_is_said_marked_and_passed_over(
    keeper: VaultKeeper, world: World, checkpoint: Path, copied: Path, tmp_path: Path
) -> None:
    """G2 of a NAS: refused, fetched again from another, said."""
    (tmp_path / "second").mkdir()
    StorageRegistry(world.home).register_stronghold(name="b", stronghold_type="nas", path=tmp_path / "second")
    keeper.copy(WHOLE_ID, "b")
    shutil.rmtree(checkpoint)
    spoil(copied)
    assert {each.stronghold for each in keeper.locate(WHOLE_ID).locations} == {"nas", "b"}
    Location.objects.filter(stronghold="b").update(verified_at=None)  # the other one is asked first
    brought = keeper.fetch(WHOLE_ID, tmp_path / "back")
    assert (brought.success, brought.source) == (True, "b")
    assert "nas: checkpoints/DIO" in brought.messages[0]
    assert WEIGHTS in brought.messages[0]
    assert Location.objects.get(stronghold="nas").state == Location.State.DAMAGED

    spoil(tmp_path / "second" / "checkpoints" / "DIO" / copied.name)
    brought = keeper.fetch(WHOLE_ID, tmp_path / "again")
    assert isinstance(brought.error, Damaged)
    assert not (tmp_path / "again").exists()


def test_a_record_that_was_exchanged_is_not_believed(
    keeper: VaultKeeper, checkpoint: Path, copied: Path, tmp_path: Path
) -> None:
    """A manifest that lies: sealed, whole, and not what was copied there."""
    shutil.rmtree(copied)
    shutil.copytree(make_checkpoint(tmp_path / "forged", 100, train_loss=0.001), copied)
    shutil.rmtree(checkpoint)
    brought = keeper.fetch(WHOLE_ID, tmp_path / "back")
    assert isinstance(brought.error, Damaged)
    assert "another one than was copied" in brought.message


def test_twin_without_the_comparison_it_is(
    keeper: VaultKeeper, checkpoint: Path, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copied)
    shutil.copytree(make_checkpoint(tmp_path / "forged", 100, train_loss=0.001), copied)
    shutil.rmtree(checkpoint)
    monkeypatch.setattr(
        bringing, "check_record", lambda stronghold, at: stronghold.manifest(bringing.rows.stored_of(at))
    )
    assert keeper.fetch(WHOLE_ID, tmp_path / "back").success


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(self: FolderBackend, work: Callable[[], Any]) -> None:
        raise Unreachable("nas has not answered")

    monkeypatch.setattr(FolderBackend, "_do", unreachable)


def test_ask_the_vault_first(world: World, checkpoint: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_vault_first("checkpoint_100", fallback="/elsewhere") == str(checkpoint)
    shutil.rmtree(checkpoint)
    with monkeypatch.context() as patch:
        silence(patch)
        assert ask_vault_first(WHOLE_ID, fallback="/elsewhere") == "/elsewhere"
        with pytest.raises(Unreachable):
            ask_vault_first(WHOLE_ID)
    assert ask_vault_first(WHOLE_ID, fallback="/elsewhere") == str(checkpoint)
    sidecar.verify(checkpoint)
    assert VaultKeeper(world).locate(WHOLE_ID).locations[0].path == str(checkpoint)

    assert ask_vault_first("checkpoint_7", fallback=Path("/elsewhere")) == "/elsewhere"
    with pytest.raises(NotFound):
        ask_vault_first("checkpoint_7")


def test_a_local_one_that_is_damaged_is_not_handed_out(world: World, checkpoint: Path, copied: Path) -> None:
    (checkpoint / WEIGHTS).unlink()
    path = Path(ask_vault_first("checkpoint_100"))
    assert path.is_relative_to(world.vault / "fetched")
    sidecar.verify(path)
    shutil.rmtree(path)
    shutil.rmtree(copied)
    with pytest.raises((Damaged, NotFound)):
        ask_vault_first("checkpoint_100")


def test_what_was_fetched_aside_stays_while_it_is_used(world: World, checkpoint: Path, copied: Path) -> None:
    def age() -> None:
        for path in (*aside.rglob("*"), aside.parent):
            os.utime(path, (0, 0))

    (checkpoint / WEIGHTS).unlink()
    aside = Path(ask_vault_first("checkpoint_100"))
    assert fetched.sweep(world) == []
    age()
    assert fetched.sweep(world, base_model=str(aside)) == []
    assert ask_vault_first("checkpoint_100") == str(aside)
    assert fetched.sweep(world) == []
    age()
    os.utime(aside / WEIGHTS)  # as who reads it does
    assert fetched.sweep(world) == []
    age()
    assert fetched.sweep(world) == [f"{WHOLE_ID}/{aside.parent.name}"]
    assert not aside.parent.exists()


def forgotten_during(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """As by a scan that finds the checkpoint deleted."""
    original = getattr(FileStronghold, act)

    def slow(self: FileStronghold, *arguments: Any, **named: Any) -> Any:
        done = original(self, *arguments, **named)
        Asset.objects.all().delete()
        return done

    monkeypatch.setattr(FileStronghold, act, slow)


def test_a_copy_is_known_though_what_was_copied_is_forgotten_meanwhile(
    keeper: VaultKeeper, checkpoint: Path, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the twin."""
    asset = resolve(keeper.world, "checkpoint_100")
    forgotten_during(monkeypatch, "put")
    assert making.copy_to(keeper.world, asset, "nas", by="page").asset.asset_id == WHOLE_ID
    assert Location.objects.get().stronghold == "nas"
    asset = resolve(keeper.world, "checkpoint_100")
    monkeypatch.setattr(rows, "asset_of_stored", lambda stored: asset)
    making.copy_to(keeper.world, asset, "nas", by="page")
    assert not Asset.objects.exists()
    Location.objects.all().delete()


def test_a_copy_that_is_forgotten_while_it_is_read_is_no_error(
    keeper: VaultKeeper, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten_during(monkeypatch, "verify")
    assert keeper.verify_copy(keeper.copy_at(WHOLE_ID, "nas")).state == Location.State.PRESENT


def test_what_vanishes_while_it_is_copied_is_said_to(
    keeper: VaultKeeper, checkpoint: Path, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_record = FileStronghold._put_record

    def late(self: FileStronghold, *arguments: Any) -> None:
        shutil.rmtree(checkpoint)
        put_record(self, *arguments)

    monkeypatch.setattr(FileStronghold, "_put_record", late)
    with pytest.raises(Damaged, match=r"\.ledger\.json cannot be read"):
        keeper.copy("checkpoint_100", "nas")


def test_files_are_registered_where_they_lie(keeper: VaultKeeper, world: World, tmp_path: Path) -> None:
    quest = tmp_path / "train_syllo_abc.jsonl"
    quest.write_text("{}\n")
    assert keeper.register(quest).asset_id == "data_train_syllo_abc"
    assert keeper.locate("data_train_syllo_abc").locations[0].path == str(quest)
    quest.write_text("{}{}\n")
    with pytest.raises(Refused, match="something else already"):
        keeper.register(quest)
    other = make_checkpoint(tmp_path / "elsewhere", 5)
    assert keeper.register(other).asset_id == "checkpoint_5_DIO_20260101-1230"
    assert [each.asset_id for each in keeper.search(kind="data", text="SYLLO")] == ["data_train_syllo_abc"]
    stats = keeper.stats()
    assert (stats.assets, stats.by_kind, stats.by_stronghold) == (2, {"checkpoint": 1, "data": 1}, {"local": 2})
    secret = world.secrets / "tokens.json"
    secret.write_text("{}")
    (tmp_path / "link.json").symlink_to(secret)
    for path in (secret, tmp_path / "link.json", tmp_path / "nothing"):
        with pytest.raises(Refused):
            keeper.register(path)
    with pytest.raises(Refused, match="no id of an asset"):
        keeper.register(quest, asset_id="model_x", kind="data")


def test_no_spelling_of_an_id_is_a_path(keeper: VaultKeeper) -> None:
    for text in traversals():
        assert not keeper.locate(text).found
        with pytest.raises(NotFound):
            keeper.copy_at(text, "nas")


def test_who_did_what_is_in_the_chronicle(keeper: VaultKeeper, world: World, copied: Path, tmp_path: Path) -> None:
    keeper.fetch(WHOLE_ID, tmp_path / "back", source="nas")
    keeper.verify_copy(keeper.copy_at(WHOLE_ID, "nas"))
    assert [(line.action, line.asset_id, line.by) for line in chronicle.read(world)] == [
        (action, WHOLE_ID, "command line") for action in ("copy", "fetch", "verify")
    ]


def check_damage_is_remembered(keeper: VaultKeeper, stronghold: str, folder: Path) -> None:
    """Where names and sizes are right, none but who reads it can tell."""
    spoil(folder)
    with pytest.raises(Damaged):
        keeper.verify_copy(keeper.copy_at(WHOLE_ID, stronghold))
    discovery = VaultDiscovery(keeper.world)
    discovery.scan_stronghold(stronghold, discovery.scan_local())
    keeper.locate("checkpoint_100")
    assert keeper.copy_at(WHOLE_ID, stronghold).state == Location.State.DAMAGED


@pytest.mark.parametrize("stronghold", ["local", "nas"])
def test_damage_that_was_read_is_not_forgotten_by_who_only_lists(
    keeper: VaultKeeper, checkpoint: Path, copied: Path, stronghold: str
) -> None:
    folder = checkpoint if stronghold == "local" else copied
    right = (folder / WEIGHTS).read_bytes()
    check_damage_is_remembered(keeper, stronghold, folder)
    (folder / WEIGHTS).write_bytes(right)
    assert keeper.verify_copy(keeper.copy_at(WHOLE_ID, stronghold)).state == Location.State.PRESENT


def test_twin_without_the_chronicle_it_counts_as_whole_again(
    keeper: VaultKeeper, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "was_read_damaged", lambda *_: False)
    with pytest.raises(AssertionError):
        check_damage_is_remembered(keeper, "nas", copied)
