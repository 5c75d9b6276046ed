"""Older checkpoints keep their weights alone; killed at any point they are whole as before or whole as thinned."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from realm.checkpoints import moments, sidecar
from realm.checkpoints.moments import OPTIMIZER_FILE
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.disk import durable
from realm.world import World
from tests.support.treasury import apply, branched, checkpoints, config, fill, folder_of, name_of, steps
from vault import index
from vault.models import Checkpoint
from vault.treasury import marks, shelf
from vault.treasury.shelf import Fate

pytestmark = pytest.mark.django_db
MOMENTS = b"moments " * 500


def give_moments(world: World) -> None:
    for folder in checkpoints(world):
        (folder / OPTIMIZER_FILE).write_bytes(MOMENTS)
        said = sidecar.read(folder)
        sidecar.write(folder, replace(said, files=sidecar.prove_files(folder)))
    index.scan(world)


def with_moments(world: World) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in checkpoints(world) if (path / OPTIMIZER_FILE).exists())


def test_older_ones_keep_their_weights_alone(world: World) -> None:
    fill(world)
    give_moments(world)
    before = sidecar.read(folder_of(world, 1))
    marks.protect(world, "DIO", name_of(world, 4), by="page")
    marks.protect(world, "DIO", name_of(world, 5), by="page", resume_point=False)
    planned = shelf.plan(world, config(30, full_state=2), "DIO")
    applied = apply(world, 30, full_state=2)
    assert set(planned.named(Fate.THINNED)) == set(applied.thinned) == {name_of(world, 1), name_of(world, 5)}
    assert applied.freed_bytes == 2 * len(MOMENTS) == planned.before_bytes - planned.after_bytes
    assert with_moments(world) == [2, 3, 4, 6, 7]  # the best two, the one to go on from, the newest two

    after = sidecar.verify(folder_of(world, 1))
    assert after.thinned is not None
    assert after.thinned.files == {OPTIMIZER_FILE: before.files[OPTIMIZER_FILE]}
    assert replace(after, files=before.files, thinned=None) == before
    assert sidecar.answering_digest(after) == sidecar.answering_digest(before)
    row = Checkpoint.objects.get(step=1)
    assert (row.weights_only, row.size_bytes) == (True, before_size(before) - len(MOMENTS))
    assert index.scan(world).falsified == ()
    assert apply(world, 30, full_state=2).thinned == ()


def before_size(before: sidecar.Sidecar) -> int:
    return sum(proof.size_bytes for proof in before.files.values())


def test_points_that_branches_begin_at_or_end_in_keep_their_moments(world: World) -> None:
    branched(world)
    give_moments(world)
    apply(world, 30, full_state=2)
    assert 3 in with_moments(world)
    assert (folder_of(world, 7) / OPTIMIZER_FILE).exists()
    assert not (folder_of(world, 5) / OPTIMIZER_FILE).exists()


def test_without_the_rule_nothing_is_thinned(world: World) -> None:
    fill(world)
    give_moments(world)
    apply(world, 30, full_state=None)
    assert with_moments(world) == [1, 2, 3, 4, 5, 6, 7]


def killed_at(monkeypatch: pytest.MonkeyPatch, place: str) -> Iterator[None]:
    """At a rename, before or after it, or at an unlink."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def rename_then_die(source: Path, target: Path) -> None:
        original(source, target)
        raise KeyboardInterrupt

    original = durable.os.replace
    with monkeypatch.context() as patched:
        if place == "unlink":
            patched.setattr(Path, "unlink", die)
        else:
            patched.setattr(durable.os, "replace", die if place == "before the rename" else rename_then_die)
        yield


@pytest.mark.parametrize("place", ["before the rename", "after the rename", "unlink"])
def test_killed_at_any_point_it_is_whole(world: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    fill(world)
    give_moments(world)
    folder = folder_of(world, 1)
    for _ in killed_at(monkeypatch, place):
        with pytest.raises(KeyboardInterrupt):
            moments.take_out(folder)
    whole = sidecar.verify(folder_of(world, 1))
    assert (whole.thinned is None) == (place == "before the rename")
    moments.take_out(folder)
    assert not (folder_of(world, 1) / OPTIMIZER_FILE).exists()
    assert sidecar.verify(folder_of(world, 1)).thinned


def test_twin_the_file_first_and_it_would_be_damaged(world: World) -> None:
    fill(world)
    give_moments(world)
    (folder_of(world, 1) / OPTIMIZER_FILE).unlink()
    with pytest.raises(DamagedCheckpoint, match=r"optimizer\.safetensors is missing"):
        sidecar.verify(folder_of(world, 1))


@pytest.mark.parametrize("guarded", [True, False])
def test_killed_before_the_rename_nothing_foreign_lies_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """With its twin, which writes as into a folder that nobody knows of yet."""
    fill(world)
    give_moments(world)
    if not guarded:
        monkeypatch.setattr(moments.sidecar, "rewrite", sidecar.write)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # nobody tidies up behind SIGKILL
    for _ in killed_at(monkeypatch, "before the rename"):
        with pytest.raises(KeyboardInterrupt):
            moments.take_out(folder_of(world, 1))
    if guarded:
        assert sidecar.verify(folder_of(world, 1)).thinned is None
    else:
        with pytest.raises(DamagedCheckpoint, match="is not in its sidecar"):
            sidecar.verify(folder_of(world, 1))


def test_a_damaged_one_is_left_as_it_is(world: World) -> None:
    fill(world)
    give_moments(world)
    (folder_of(world, 1) / "model.safetensors").unlink()
    assert name_of(world, 1) not in apply(world, 30, full_state=2).thinned
    assert (folder_of(world, 1) / OPTIMIZER_FILE).exists()
    assert len(steps(world)) == 7


def test_one_that_is_set_aside_while_it_is_thinned_is_passed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)
    give_moments(world)
    first, rewrite = folder_of(world, 1), sidecar.rewrite

    def late(folder: Path, saved: sidecar.Sidecar) -> None:
        if folder == first:
            folder.rename(folder.with_name(f"diverged-{folder.name}"))
        rewrite(folder, saved)

    monkeypatch.setattr(sidecar, "rewrite", late)
    assert apply(world, 30, full_state=2).thinned == (name_of(world, 5), name_of(world, 4))
