"""Why a checkpoint stays, in sentences: everything that deletes or thins asks here, under the lock, and at last again.

Some reasons hold against everybody; others, such as being the best by a loss, against rules alone: a person who
deletes such a one is told, and can undo it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from guild.champion import crown
from guild.models import EvaluationTask
from realm.branch_rows import branches_of
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import RealmConfig
from realm.config import load as load_config
from realm.hosts import read_hosts
from realm.oracle import served
from realm.oracle.errors import HostDown, HostTrouble
from realm.strict import BadConfig
from realm.world import World
from vault import selectors
from vault.assets import ids
from vault.errors import Refused
from vault.models import Checkpoint, Job
from vault.treasury import marks
from vault.treasury.rules import FEWEST

BEST_BY = {"train_loss": "train loss", "val_loss": "validation loss"}
_TO_BE_ASKED = (EvaluationTask.State.WAITING, EvaluationTask.State.ANSWERING)
_AT_WORK = (Job.State.WAITING, Job.State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why one checkpoint stays."""

    name: str
    sentence: str
    for_everybody: bool = True
    """Whether a person cannot delete it either."""
    keeps_moments: bool = True
    """Whether it is not thinned either."""
    waits: bool = False
    """Whether it holds until another machine has answered, which may never be."""


def reasons_to_keep(
    world: World, hero: str, *, loaded: Collection[str] = (), leaving: Collection[str] = (), fresh: bool = True
) -> dict[str, tuple[str, ...]]:
    """By name of the checkpoint, why nobody can delete it; those that are not named can be.

    `loaded` are names that hosts said they hold, beside those that hosts of this world tell in files; adapters in
    `leaving` go too, so that they keep nothing. With `fresh` off, for pages, adapters are not looked for again while
    the hero's folder is as it was. Raises Refused where marks or champions cannot be read.
    """
    found = reasons(world, hero, loaded=loaded, leaving=leaving, fresh=fresh)
    return by_name(one for one in found if one.for_everybody)


def by_name(found: Iterable[Reason]) -> dict[str, tuple[str, ...]]:
    told: dict[str, list[str]] = {}
    for one in found:
        told.setdefault(one.name, []).append(one.sentence)
    return {name: tuple(sentences) for name, sentences in told.items()}


def reasons(
    world: World, hero: str, *, loaded: Collection[str] = (), leaving: Collection[str] = (), fresh: bool = True
) -> Iterator[Reason]:
    """All of them, those against rules too; parameters and errors as `reasons_to_keep` has them."""
    folder = world.heroes / hero
    yield from _newest(world, hero)
    yield from _of_branches(world, hero)
    yield from _crowned(world, hero)
    yield from _best(world, hero)
    yield from _protected(folder)
    yield from _served(world, hero, loaded)
    yield from _under_adapters(folder, leaving, fresh=fresh)
    yield from _worked_on(hero)
    yield from _to_be_asked(hero)


def _newest(world: World, hero: str) -> Iterator[Reason]:
    """Those of the active branch that are whole by names and sizes: damage above them costs nothing below."""
    whole = (row.name for row in selectors.walk_line(world, hero) if _is_whole(world.heroes / hero / row.name))
    for place, name in enumerate(itertools.islice(whole, FEWEST)):
        if place == 0:
            yield Reason(name=name, sentence="it is the newest whole one of the active branch")
        else:
            yield Reason(
                name=name, sentence="training falls back to it where the newest is damaged", for_everybody=False
            )


def _is_whole(folder: Path) -> bool:
    try:
        sidecar.verify(folder, quick=True)
    except (DamagedCheckpoint, OSError):
        return False
    return True


def _of_branches(world: World, hero: str) -> Iterator[Reason]:
    found = branches_of(hero)
    for name, branch in found.branches.items():
        if branch.start:
            yield Reason(name=branch.start, sentence=f"{branches.title(name)} begins at it")
    for name in found.names:
        if name != found.active:
            line = (row.name for row in selectors.walk_line(world, hero, name))
            tip = next((one for one in line if _is_whole(world.heroes / hero / one)), None)
            if tip:
                sentence = f"it is the newest of {branches.title(name)}, which can be gone back to"
                yield Reason(name=tip, sentence=sentence, for_everybody=False)


def _crowned(world: World, hero: str) -> Iterator[Reason]:
    try:
        crown.check(world, hero)
    except crown.DamagedChampions as damage:
        raise Refused(str(damage)) from damage
    pinned = {pin.name for pin in crown.pins(world, hero).values()}
    for name in sorted(pinned):
        yield Reason(name=name, sentence="it was promoted to champion")
    holders = crown.holders(world, hero)
    for name in sorted(crown.crowned(world, hero) - pinned):
        held = "it is the champion" if name in holders else "it is the champion as soon as the promoted one is unpinned"
        yield Reason(name=name, sentence=held)


def _best(world: World, hero: str) -> Iterator[Reason]:
    """By each loss, of what each branch has come from."""
    for name, (metric, words) in itertools.product(branches_of(hero).names, BEST_BY.items()):
        row = selectors.best_checkpoint(world, hero, metric, branch=name)
        if row:
            sentence = f"it is the best of {branches.title(name)} by {words}"
            yield Reason(name=row.name, sentence=sentence, for_everybody=False)


def _protected(hero_folder: Path) -> Iterator[Reason]:
    for name, mark in marks.read(hero_folder).items():
        note = f" ({mark.note})" if mark.note else ""
        sentence = f"it is protected since {mark.at[:10]}, by {mark.by}{note}"
        yield Reason(name=name, sentence=sentence, keeps_moments=mark.resume_point)


def _served(world: World, hero: str, loaded: Collection[str]) -> Iterator[Reason]:
    for name in sorted({*loaded, *served.held(world, hero)}):
        yield Reason(name=name, sentence="an inference host has loaded it")


def _under_adapters(hero_folder: Path, leaving: Collection[str], *, fresh: bool) -> Iterator[Reason]:
    """Full checkpoints without which an adapter that lies on the disk, listed or not, is worth nothing."""
    if not hero_folder.is_dir():
        return
    found = _bases(hero_folder) if fresh else _bases_once(hero_folder, hero_folder.stat().st_mtime_ns)
    for name, base in found:
        if name not in leaving:
            yield Reason(name=base, sentence=f"{name} is an adapter on it", keeps_moments=False)


@functools.lru_cache(maxsize=16)
def _bases_once(hero_folder: Path, mtime_ns: int) -> list[tuple[str, str]]:
    return _bases(hero_folder)


def _bases(hero_folder: Path) -> list[tuple[str, str]]:
    """Adapter and what it sits on, by names; sidecars are read of those alone of which no row says it."""
    rows = Checkpoint.objects.filter(hero=hero_folder.name).values_list("name", "adapter_base")
    listed = {name: base for name, base in rows if base is not None}
    pairs = (
        (folder.name, listed[folder.name] if folder.name in listed else _adapter_base(folder))
        for folder in checkpoint_folders(hero_folder)
    )
    return [(name, base) for name, base in pairs if base]


def _adapter_base(folder: Path) -> str | None:
    try:
        return sidecar.read(folder).adapter_base
    except (DamagedCheckpoint, OSError):
        return None


def _worked_on(hero: str) -> Iterator[Reason]:
    """What is copied, exported or verified; a short id may mean any hero's."""
    for job in Job.objects.filter(state__in=_AT_WORK, asset_id__startswith=ids.CHECKPOINT):
        meant = ids.parse_checkpoint_id(job.asset_id)
        if meant is None or meant.hero not in (hero, None):
            continue
        sentence = f"job {job.pk} ({job.kind}) works on it"
        names = [meant.name] if meant.name else _of_step(hero, meant.step)
        yield from (Reason(name=name, sentence=sentence) for name in names)


def _of_step(hero: str, step: int) -> list[str]:
    return list(Checkpoint.objects.filter(hero=hero, step=step).values_list("name", flat=True))


def _to_be_asked(hero: str) -> Iterator[Reason]:
    waiting = EvaluationTask.objects.filter(hero=hero, state__in=_TO_BE_ASKED)
    for name in sorted(set(waiting.values_list("checkpoint", flat=True))):
        yield Reason(name=name, sentence="it waits to be evaluated", for_everybody=False, waits=True)


def loaded_by_hosts(world: World, config: RealmConfig | None = None) -> set[str]:
    """Names of the checkpoints that the project's own hosts have loaded; one that is down has none.

    Without `config` the world's settings are read.

    Raises Refused where a host lives but does not say, or cannot be asked: then nothing may be deleted.
    """
    # Slow to import, and the daemon, which makes room without asking, never needs it.
    from realm.oracle.sync_client import OracleClient

    loaded: set[str] = set()
    try:
        registry = read_hosts(world, oracle_port=(config or load_config(world)).oracle_port)
        if registry.broken:  # a host that cannot be asked may have loaded what would be taken away
            raise BadConfig(registry.trouble)
        for host in registry.hosts:
            if host.is_realm:
                with suppress(HostDown), OracleClient(host) as oracle:
                    loaded |= {model.name for model in oracle.loaded()}
    except (HostTrouble, BadConfig) as error:
        raise Refused(f"nothing is deleted: {error}") from error
    return loaded
