"""A worker's job on this machine: its checkpoints brought and proven, an inference host, the act itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from arena.daemon import evaluations
from arena.management import own_oracle
from guild.errors import GuildError
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.queue import Share
from guild.models import EvaluationTask, Run
from guild.work import runs
from guild.work.perform import perform
from guild.workers.claims import Claim
from realm import config as realm_config
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.hosts import Host
from realm.strict import BadConfig
from realm.world import World
from vault.assets.ids import checkpoint_id
from vault.errors import Damaged, VaultError
from vault.keeper import ask_vault_first
from vault.zones.directory import list_zones
from vault.zones.moving import pull_from_zone

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Need:
    hero: str
    name: str
    sha256: str
    """Of the weights that answer, as the Task Master's world proves them."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A job's arguments, as guild.workers.units wrote them."""

    evaluate: str | None = None
    """`HERO/CHECKPOINT`."""
    run: int | None = None
    instead: dict[str, Any] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()


def do(world: World, claim: Claim, asked: Asked, *, worker: str, say: Say) -> None:
    """Raises CommandError where it comes to nothing, which the row of the run or of the evaluations says, too."""
    if asked.run is not None and Run.objects.filter(pk=asked.run, kind=Run.Kind.FORGE).exists():
        _perform(world, claim, asked)
        return
    with ExitStack() as opened:
        try:
            for need in asked.needs:
                bring(world, need, by=worker)
            host = opened.enter_context(_answering(world, worker, say))
        except (VaultError, GuildError, BadConfig, CommandError) as error:
            _note(claim, asked, f"{worker}: {error}")
            raise CommandError(str(error)) from error
        if asked.evaluate is not None:
            _evaluate(world, claim, asked.evaluate, host, say)
        else:
            _perform(world, claim, asked)


def _note(claim: Claim, asked: Asked, trouble: str) -> None:
    """A run has failed; evaluations wait for another worker, or another time."""
    if asked.run is not None:
        runs.fail(runs.claim(asked.run, claim), trouble)
    elif asked.evaluate is not None:
        hero, _, name = asked.evaluate.partition("/")
        waiting = EvaluationTask.objects.filter(hero=hero, checkpoint=name, state=EvaluationTask.State.WAITING)
        waiting.update(reason=trouble, updated_at=timezone.now())


def bring(world: World, need: Need, *, by: str) -> None:
    """The checkpoint lies here, proven whole, and is the one that is meant. Raises VaultError, GuildError."""
    folder = world.heroes / need.hero / need.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        _fetch(world, need, by=by)
    try:
        sidecar.verify(folder)
        found = sidecar.answering_digest(sidecar.read(folder))
    except (DamagedCheckpoint, OSError) as error:
        raise GuildError(f"{need.hero}/{need.name} is damaged here: {error}") from error
    if found != need.sha256:
        raise GuildError(
            f"{need.hero}/{need.name} is another one here: its weights are {found[:12]}, {need.sha256[:12]} were meant"
        )


def _fetch(world: World, need: Need, *, by: str) -> None:
    """From a stronghold that both machines know, else from a zone of this machine's hosts.yaml, as a mirror is."""
    asset_id = checkpoint_id(need.hero, need.name)
    try:
        ask_vault_first(asset_id, world=world, by=by)
        return
    except Damaged:
        raise
    except VaultError as error:
        troubles = [str(error)]
    for zone in list_zones(world):
        try:
            pull_from_zone(asset_id, zone.zone_id, by=by)
            return
        except VaultError as error:
            troubles.append(str(error))
    raise GuildError(f"{need.hero}/{need.name} cannot be brought here: {'; '.join(troubles)}")


@contextmanager
def _answering(world: World, worker: str, say: Say) -> Iterator[Host]:
    """A host that is set to evaluate, else this machine's own, for this job alone where none runs."""
    evaluating = evaluation_queue.evaluating_hosts(world)
    config = realm_config.load(world)
    with own_oracle.answering(world, config, evaluating[0].id if evaluating else None, say) as host:
        yield replace(host, id=f"{worker}: {host.id}"[:80])


def _evaluate(world: World, claim: Claim, checkpoint: str, host: Host, say: Say) -> None:
    hero, _, name = checkpoint.partition("/")
    share = Share(hero, name, claim)
    report = evaluation_queue.process(world, hosts=[host], tell=evaluations.tell_result, share=share)
    say(f"{name}: {report.done} evaluated, {report.failed} failed")
    if report.troubles:
        raise CommandError("; ".join(report.troubles))


def _perform(world: World, claim: Claim, asked: Asked) -> None:
    assert asked.run is not None
    run = perform(world, asked.run, claim=claim, instead=asked.instead)
    if run.state == Run.State.FAILED:
        raise CommandError(f"Run {run.pk} {run.state}: {run.message}")
