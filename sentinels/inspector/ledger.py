"""Whether the ledger's rows say what the folders and their sidecars say."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError

from guild.champion import crown
from guild.champion.crown import DamagedChampions
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk import mailbox
from realm.disk.mailbox import Damaged
from realm.world import World
from sentinels.inspector.finding import Finding, Patrolled, named, ok, trouble, warning
from vault.ledger import summary
from vault.ledger.local import Ledger, active_hero
from vault.models import Checkpoint

SCAN = "`manage.py vault scan` brings the ledger into line with the disk"
MOST_SIDECARS = 200
"""Newest ones whose digests are compared where a patrol is not deep."""
_LARGEST_SUMMARY_BYTES = 16 * 2**20


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world = patrolled.world
    try:
        found = [*_rows(patrolled), *_summary(world), *_champions(world)]
    except DatabaseError:  # a matter of the database
        return
    yield from found or [ok("ledger", f"as on disk, checkpoints: {Checkpoint.objects.count()}")]


def _rows(patrolled: Patrolled) -> Iterator[Finding]:
    """Rows before and after the folders: what is saved or deleted meanwhile is no difference."""
    world, before = patrolled.world, _listed()
    folders = {
        (hero.name, folder.name)
        for hero in world.heroes.iterdir()
        if hero.is_dir()
        for folder in checkpoint_folders(hero)
        if (folder / SIDECAR).exists()
    }
    after = _listed()
    unlisted = {key for key in folders - before.keys() - after.keys() if _is_fit(world, key)}
    if unlisted:
        yield warning("ledger", f"not listed: {named(map('/'.join, unlisted))}", SCAN)
    if gone := {key for key in before.keys() & after.keys() if not (world.heroes / key[0] / key[1]).is_dir()}:
        yield warning("ledger", f"listed, and their folders are gone: {named(map('/'.join, gone))}", SCAN)
    both = sorted(folders & after.keys(), key=lambda key: after[key][0], reverse=True)
    chosen = both if patrolled.deep else both[:MOST_SIDECARS]
    differing = ["/".join(key) for key in chosen if _differs(world, key, after[key][1])]
    if differing:
        yield trouble("ledger", f"their sidecars say something else than the ledger: {named(differing)}", SCAN)


def _listed() -> dict[tuple[str, str], tuple[int, str]]:
    """Step and digest of the sidecar by hero and name."""
    rows = Checkpoint.objects.values_list("hero", "name", "step", "sidecar_sha256")
    return {(hero, name): (step, sha256) for hero, name, step, sha256 in rows}


def _is_fit(world: World, key: tuple[str, str]) -> bool:
    """To be listed. One that is damaged is not, and a matter of the checkpoints."""
    try:
        sidecar.verify(world.heroes / key[0] / key[1], quick=True)
    except (DamagedCheckpoint, OSError):
        return False
    return True


def _differs(world: World, key: tuple[str, str], sha256: str) -> bool:
    try:
        digest = sidecar.digest(world.heroes / key[0] / key[1] / SIDECAR)
    except (DamagedCheckpoint, OSError):
        return (world.heroes / key[0] / key[1]).is_dir()
    # It may just have been thinned or marked: then its row is written anew.
    return digest != sha256 and Checkpoint.objects.filter(hero=key[0], name=key[1], sidecar_sha256=sha256).exists()


def _summary(world: World) -> Iterator[Finding]:
    ledger = Ledger(world, active_hero(world))
    latest = ledger.get_latest()
    try:
        view = mailbox.read_json(world.status / summary.FILE, largest_bytes=_LARGEST_SUMMARY_BYTES)
    except FileNotFoundError:
        view = {}
        if latest is None:
            return
    except (OSError, Damaged):
        view = {}
    known = view.get("latest") if isinstance(view, dict) else None
    name = known.get("canonical_name") if isinstance(known, dict) else None
    if name != (latest.canonical_name if latest else None) or view.get("count") != ledger.count():
        sentence = f"status/{summary.FILE} is not of the newest checkpoint"
        yield warning("ledger summary", sentence, SCAN, path=world.status / summary.FILE)


def _champions(world: World) -> Iterator[Finding]:
    hero = active_hero(world)
    try:
        crown.check(world, hero)
    except DamagedChampions as damage:
        yield trouble("champion", str(damage), path=world.heroes / hero / crown.FILE)
        return
    if lost := crown.lost_pin(world, hero):
        yield warning("champion", lost, "`manage.py ledger unpin` forgets it")
    gone = [name for name in crown.holders(world, hero) if not (world.heroes / hero / name).is_dir()]
    if gone:
        yield warning("champion", f"gone: {named(gone)}; the next save crowns another one")
