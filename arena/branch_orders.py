"""That a hero goes on from another checkpoint: asked by the player, carried out by the daemon between two battles.

Pages, programs and commands ask through `send`, and the daemon looks once more by the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arena.models import Battle
from realm import strict
from realm.checkpoints import branches, sidecar
from realm.checkpoints.branches import AmbiguousStep
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.config import is_hero_name
from realm.disk.mailbox import Mailbox
from realm.world import World

BASE = "base"


class CannotGoOn(Exception):
    """Why the hero does not go on from there, in a sentence."""


class UnknownCheckpoint(CannotGoOn):
    """There is no such hero or checkpoint, or nothing that could be one."""


@dataclass(frozen=True, kw_only=True)
class GoOnFrom:
    hero: str
    name: str
    """Of the checkpoint; BASE: the base model."""
    by: str
    weights_only: bool = False
    """Whether its moments made room, so that the optimizer begins anew."""


MAILBOX = Mailbox(GoOnFrom, ".branch.json")


def send(world: World, *, hero: str, wish: str, by: str) -> GoOnFrom:
    """Leave the order for the daemon, which acts within a second, or when it is next started. Raises CannotGoOn.

    `wish` is a checkpoint's name, its step (0: the base model's), or BASE. Every byte of the checkpoint is proven
    before.
    """
    start = start_of(world, hero, wish)
    check(world, hero, start)
    weights_only = start is not None and start.thinned is not None
    order = GoOnFrom(hero=hero, name=start.name if start else BASE, by=by, weights_only=weights_only)
    MAILBOX.leave(world, order, label="go-on-from")
    return order


def start_of(world: World, hero: str, wish: str) -> Sidecar | None:
    """The whole checkpoint that is meant; None: the base model. Raises CannotGoOn."""
    if not is_hero_name(hero):
        raise UnknownCheckpoint(f"there is no hero {strict.shown(hero)} here")
    if wish in (BASE, "0"):
        return None
    folder = _folder_of(world, hero, wish)
    try:
        saved = sidecar.verify(folder)
        if saved.hero != hero:
            raise CannotGoOn(f"{folder.name} is a checkpoint of {saved.hero}, not of {hero}")
        if saved.adapter_base and step_of(saved.adapter_base) is not None:
            sidecar.verify(folder.parent / saved.adapter_base)
    except DamagedCheckpoint as damage:
        raise CannotGoOn(f"nobody goes on from a damaged checkpoint: {damage}") from damage
    except OSError as error:
        raise CannotGoOn(f"{folder.name} cannot be read: {error.strerror}") from error
    return saved


def _folder_of(world: World, hero: str, wish: str) -> Path:
    """A name from outside becomes a path only where it is the canonical name of a folder that is there."""
    hero_folder = world.heroes / hero
    if not hero_folder.is_dir():
        raise UnknownCheckpoint(f"there is no hero {hero} here")
    if (step := strict.whole_number(wish.removeprefix("checkpoint-"))) is not None:
        try:
            found = branches.at_step(hero_folder, step)
        except AmbiguousStep as error:
            raise CannotGoOn(str(error)) from error
        if found is None:
            raise UnknownCheckpoint(f"{hero} has no checkpoint of step {step} here")
        return found
    folder = hero_folder / wish
    if step_of(wish) is None or folder.is_symlink() or not folder.is_dir():
        raise UnknownCheckpoint(f"{hero} has no checkpoint {strict.shown(wish)} here; name a step, a name, or {BASE}")
    return folder


def check(world: World, hero: str, start: Sidecar | None) -> None:
    """Raises CannotGoOn where a battle is under way, or the hero stands there already."""
    fought = (Battle.State.TRAINING, Battle.State.PAUSED)
    battle = Battle.objects.filter(hero=hero, state__in=fought).select_related("quest").first()
    if battle:
        raise CannotGoOn(
            f"{battle.quest.name} is being fought: let it end or stop it (`battle stop`, which rests until `battle "
            "resume`; the quest can be retried), then go on from there"
        )
    if branches.tip(world.heroes / hero) == (start.name if start else None):
        where = start.name if start else "its base model"
        raise CannotGoOn(f"{hero} stands at {where} already")


def promise(order: GoOnFrom) -> str:
    """What the player is told: what happens, and what stays."""
    where = "its base model" if order.name == BASE else order.name
    fresh = " Its moments made room: the optimizer begins anew, and the rate warms up." if order.weights_only else ""
    return (
        f"Asked: {order.hero} goes on from {where}.{fresh} Nothing is deleted: every branch can be gone back to, and "
        "quests that only another branch was trained on stay completed (fight one once more to train it here, too)."
    )
