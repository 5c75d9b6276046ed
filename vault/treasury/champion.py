"""Promoting a checkpoint: it is the champion of its branch, whatever the rule says, until it is unpinned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from guild.champion import crown
from guild.champion.crown import Pin
from realm import strict
from realm.branch_rows import branches_of, line_of
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.config import RealmConfig
from realm.config import load as load_config
from realm.hosts import Host, read_hosts
from realm.oracle.errors import HostTrouble
from realm.strict import BadConfig
from realm.world import World
from vault import chronicle
from vault.assets.ids import checkpoint_id
from vault.errors import Damaged, NotFound, Refused
from vault.treasury.lock import locked


@dataclass(frozen=True, kw_only=True)
class Promotion:
    hero: str
    name: str
    branch: str
    previous: str
    """The champion of that branch until now; empty where there was none."""
    loaded_by: tuple[str, ...]
    """Inference hosts that hold it now."""
    message: str
    """All of it for the player, with what a host did not do."""


def promote(world: World, hero: str, name: str, *, by: str, config: RealmConfig | None = None) -> Promotion:
    """Let the checkpoint be the champion of the active branch, or of its own where it does not lie on that one's line.

    Every byte is proven before; then this machine's inference host loads it, and one that is silent is only told of.
    Raises NotFound, Damaged naming the file, and Refused where settings or champions cannot be read.
    """
    config = config or _settings(world)
    saved = _prove(world, hero, name)
    active = branches_of(hero).active
    branch = active if line_of(hero).holds(saved.branch, saved.step, name) else saved.branch
    with locked(world), _readable(world, hero):
        _folder(world, hero, name)  # somebody may have deleted it meanwhile
        previous = crown.crown(world, hero, config.champion_metric, branch=branch)
        moment = datetime.now().astimezone().isoformat(timespec="seconds")
        crown.pin(world, hero, branch, Pin(name=name, by=by, at=moment))
    loaded_by, told = load_here(world, config, hero, name)
    before = previous.name if previous and previous.name != name else ""
    chronicle.record(world, "promote", by=by, asset_id=checkpoint_id(hero, name), branch=branch, previous=before)
    sentences = [f"{name} is the champion of {branches.title(branch)} until it is unpinned"]
    if branch != active:
        sentences.append(f"{hero} is on {branches.title(active)}, whose champion stays")
    return Promotion(
        hero=hero,
        name=name,
        branch=branch,
        previous=before,
        loaded_by=loaded_by,
        message=". ".join((*sentences, *told)) + ".",
    )


def unpin(world: World, hero: str, *, by: str) -> str:
    """Let the rule choose the champion of the active branch again; the name of the one that was pinned.

    Raises NotFound where none is, and Refused where champions cannot be read.
    """
    active = branches_of(hero).active
    with locked(world), _readable(world, hero):
        pinned = crown.pins(world, hero).get(active)
        if pinned is None:
            raise NotFound(f"no champion of {hero} is pinned on {branches.title(active)}")
        crown.pin(world, hero, active, None)
    chronicle.record(world, "promote", by=by, asset_id=checkpoint_id(hero, pinned.name), branch=active, unpinned=True)
    return pinned.name


@contextmanager
def _readable(world: World, hero: str) -> Iterator[None]:
    """Raises Refused where nobody knows who is promoted."""
    try:
        crown.check(world, hero)
        yield
    except crown.DamagedChampions as damage:
        raise Refused(str(damage)) from damage


def _settings(world: World) -> RealmConfig:
    try:
        return load_config(world)
    except BadConfig as error:
        raise Refused(f"nobody is promoted: {error}") from error


def _folder(world: World, hero: str, name: str) -> Path:
    folder = world.heroes / hero / name
    if step_of(name) is None or folder.is_symlink() or not folder.is_dir():
        raise NotFound(f"{hero} has no checkpoint {strict.shown(name)} here")
    return folder


def _prove(world: World, hero: str, name: str) -> Sidecar:
    try:
        return sidecar.verify(_folder(world, hero, name))
    except DamagedCheckpoint as damage:
        raise Damaged(f"nobody promotes a damaged checkpoint: {damage}") from damage


def load_here(world: World, config: RealmConfig, hero: str, name: str) -> tuple[tuple[str, ...], list[str]]:
    """Let the hosts of this machine load it: those that hold it now, and what is to be told of them."""
    try:
        registry = read_hosts(world, oracle_port=config.oracle_port)
    except BadConfig as error:
        return (), [f"No host has loaded it: {error}"]
    loaded, told = [], []
    for host in registry.hosts:
        if host.is_realm and host.here:
            trouble = _load_into(host, hero, name)
            loaded += [] if trouble else [host.id]
            told.append(trouble or f"{host.name} has loaded it")
    return tuple(loaded), told


def _load_into(host: Host, hero: str, name: str) -> str:
    """Why it could not be loaded; empty where it is."""
    # Slow to import, and nothing for pages that only show champions.
    from realm.oracle.sync_client import OracleClient

    try:
        with OracleClient(host) as oracle:
            oracle.load(hero=hero, name=name)
    except HostTrouble as error:
        return f"{host.name} has not loaded it: {error}"
    return ""
