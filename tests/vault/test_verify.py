import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realm.checkpoints import moments, sidecar
from realm.checkpoints.sidecar import SIDECAR
from realm.world import World
from tests.support.checkpoints import WEIGHTS, make_checkpoint, rewrite_sidecar
from vault import index
from vault.errors import NotFound
from vault.ledger import verifying
from vault.ledger.verifying import Verified, verify
from vault.models import Checkpoint, HistoryEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of chunks of a hundred bytes, so that a small file has many."""
    monkeypatch.setattr(sidecar, "CHUNK_BYTES", 100)
    monkeypatch.setattr(verifying, "CHUNK_BYTES", 100)
    made = make_checkpoint(world.heroes, 100)
    index.scan(world)
    return made


def found(world: World, folder: Path, *, quick: bool = False) -> Verified:
    return verify(world, "DIO", folder.name, quick=quick, by="page")


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_one_is_remembered_as_verified(world: World, folder: Path) -> None:
    assert found(world, folder, quick=True).whole
    assert Checkpoint.objects.get().verified_at is None
    heard: list[tuple[int, str]] = []
    told = verify(world, "DIO", folder.name, by="page", progress=lambda done, doing: heard.append((done, doing)))
    assert (told.whole, told.files) == (True, 2)
    assert heard[-1] == (told.size_bytes, "reads tokenizer/tokenizer.json")
    assert Checkpoint.objects.get().verified_at is not None
    entry = HistoryEntry.objects.get()
    assert (entry.action, entry.by, entry.details["sidecar_sha256"]) == (
        "verify", "page", Checkpoint.objects.get().sidecar_sha256
    )  # fmt: skip


def test_every_damaged_file_and_chunk_is_named(world: World, folder: Path) -> None:
    found(world, folder)
    flip(folder / WEIGHTS, 5)
    flip(folder / WEIGHTS, 705)
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "stranger").touch()
    told = found(world, folder)
    assert [fault.file for fault in told.faults] == [WEIGHTS, "stranger", "tokenizer/tokenizer.json"]
    assert told.faults[0].chunks == (0, 7)
    assert "in 2 of 11 chunks of 100 bytes: 0, 7" in str(told)
    assert Checkpoint.objects.get().verified_at is None
    assert len(HistoryEntry.objects.first().details["damaged"]) == 3  # type: ignore[union-attr]


def test_twin_by_sizes_alone_a_flipped_bit_goes_unseen(world: World, folder: Path) -> None:
    flip(folder / WEIGHTS, 5)
    assert not found(world, folder).whole
    assert found(world, folder, quick=True).whole


def damage(folder: Path, kind: str) -> None:
    weights = folder / WEIGHTS
    match kind:
        case "cut":
            weights.write_bytes(weights.read_bytes()[:650])
        case "longer":
            weights.write_bytes(weights.read_bytes() + b"x")
        case "a FIFO":
            weights.unlink()
            os.mkfifo(weights)
        case "a link to nowhere":
            weights.unlink()
            weights.symlink_to("nowhere")
        case "a folder":
            weights.unlink()
            weights.mkdir()
        case "no sidecar":
            (folder / SIDECAR).unlink()
        case "a changed sidecar":
            flip(folder / SIDECAR, 40)
        case "another's":
            rewrite_sidecar(folder, hero="EVA")


DAMAGES = {
    "cut": (WEIGHTS, (6, 7, 8, 9, 10)), "longer": (WEIGHTS, ()), "a FIFO": (WEIGHTS, ()),
    "a link to nowhere": (WEIGHTS, ()), "a folder": (WEIGHTS, ()), "no sidecar": (SIDECAR, ()),
    "a changed sidecar": (SIDECAR, ()), "another's": (SIDECAR, ()),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_of_every_kind_is_named(world: World, folder: Path, kind: str) -> None:
    damage(folder, kind)
    fault = found(world, folder).faults[0]
    assert fault.file == DAMAGES[kind][0]
    assert set(DAMAGES[kind][1]) <= set(fault.chunks)


@pytest.mark.parametrize("name", ["checkpoint-7-20260101-1230", "..", "../DIO", "a/b", ""])
def test_what_is_no_checkpoint_is_not_found(world: World, folder: Path, name: str) -> None:
    with pytest.raises(NotFound):
        verify(world, "DIO", name, by="page")


def run(*words: str) -> tuple[int, Any]:
    out = StringIO()
    try:
        call_command("ledger", "verify", *words, "--json", stdout=out)
    except CommandError:
        return 1, json.loads(out.getvalue() or "null")
    return 0, json.loads(out.getvalue())


def test_the_command_ends_with_what_it_found(world: World, folder: Path) -> None:
    other = make_checkpoint(world.heroes, 200)
    assert run("100")[0] == run("--all", "--quick")[0] == 0
    flip(other / WEIGHTS, 5)
    code, told = run("--all")
    assert (code, [(one["name"], one["whole"]) for one in told]) == (1, [(other.name, False), (folder.name, True)])
    assert told[0]["faults"][0]["file"] == WEIGHTS
    assert run(other.name)[0] == 1  # it is not even listed
    assert run(folder.name)[0] == 0
    assert run("7") == run() == run("100", "--all") == (1, None)


def thin_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the sidecar has been read and before the files are."""
    files_of = sidecar.files_of

    def late(place: Path) -> dict[str, Path]:
        monkeypatch.setattr(sidecar, "files_of", files_of)
        moments.take_out(folder)
        return files_of(place)

    monkeypatch.setattr(sidecar, "files_of", late)


@pytest.fixture
def with_moments(world: World, folder: Path) -> Path:
    (folder / moments.OPTIMIZER_FILE).write_bytes(b"moments")
    sidecar.write(folder, replace(sidecar.read(folder), files=sidecar.prove_files(folder)))
    index.scan(world)
    return folder


def test_who_thins_it_meanwhile_damages_nothing(
    world: World, with_moments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin_meanwhile(with_moments, monkeypatch)
    assert found(world, with_moments).whole
    assert HistoryEntry.objects.get().details.get("damaged") is None


def test_twin_the_sidecar_is_believed_to_be_as_it_was(
    world: World, with_moments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin_meanwhile(with_moments, monkeypatch)
    monkeypatch.setattr(verifying, "_digest_of", lambda _: "")
    assert not found(world, with_moments).whole


def test_whoever_else_proves_it_finds_it_whole_too(with_moments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thin_meanwhile(with_moments, monkeypatch)
    assert sidecar.verify(with_moments).thinned is not None


def test_what_a_killed_thinning_left_behind_is_no_damage(world: World, with_moments: Path) -> None:
    moments.take_out(with_moments)
    (with_moments / moments.OPTIMIZER_FILE).write_bytes(b"moments")
    assert found(world, with_moments).whole


def test_who_deletes_it_meanwhile_makes_it_unknown(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = sidecar.read

    def late(place: Path) -> sidecar.Sidecar:
        saved = read(place)
        folder.rename(world.home / "away")
        return saved

    monkeypatch.setattr(sidecar, "read", late)
    with pytest.raises(NotFound):
        found(world, folder)
    assert not HistoryEntry.objects.exists()
