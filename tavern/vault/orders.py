"""The vault's buttons, read from a form or from JSON, and done by the functions that commands and the API call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realm import strict
from realm.checkpoints.names import step_of
from realm.config import is_hero_name
from realm.world import World
from tavern import formatting
from tavern.json_or_form import BadOrder
from tavern.live_settings import read_settings
from tavern.page_frame import LARGEST_ID
from vault.archivist import snapshots
from vault.assets.ids import checkpoint_id
from vault.errors import VaultError
from vault.jobs import queue
from vault.jobs.status import is_served
from vault.models import Job
from vault.treasury import champion, marks, shelf, trash

BY = "page"
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Chosen:
    """A checkpoint as forms name it: `HERO/NAME`."""

    hero: str
    name: str

    @classmethod
    def of(cls, text: str) -> Chosen:
        """Raises BadOrder for what can be none."""
        hero, _, name = text.partition("/")
        if not is_hero_name(hero) or step_of(name) is None:
            raise BadOrder(f"{strict.shown(text)} is no checkpoint, such as DIO/checkpoint-100-20260101-1230")
        return cls(hero, name)

    @property
    def asset_id(self) -> str:
        return checkpoint_id(self.hero, self.name)

    @property
    def title(self) -> str:
        return f"step {step_of(self.name) or 0:,}"


@dataclass(frozen=True, kw_only=True)
class Order:
    verb: str
    whom: tuple[str, ...]
    """Checkpoints as `HERO/NAME`; of some verbs a hero, an entry of the trash or a job."""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Given:
    text: str
    undo: str = ""
    """The entry of the trash by which it is undone."""
    jobs: tuple[int, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For programs."""


def give(world: World, order: Order) -> Given:
    """Raises BadOrder and VaultError."""
    if order.verb not in VERBS:
        raise BadOrder(f"do: {strict.shown(order.verb)} is not allowed; allowed are {', '.join(VERBS)}")
    if len(order.whom) > MOST_AT_ONCE:
        raise BadOrder(f"at most {MOST_AT_ONCE} at once")
    return VERBS[order.verb](world, order)


def chosen(order: Order) -> list[Chosen]:
    """Raises BadOrder where none is."""
    found = [Chosen.of(text) for text in dict.fromkeys(order.whom)]
    if not found:
        raise BadOrder("no checkpoint is chosen")
    return found


def whom_of(found: Sequence[Chosen]) -> str:
    return found[0].title if len(found) == 1 else f"{len(found)} checkpoints"


def _protect(world: World, order: Order) -> Given:
    found = chosen(order)
    for one in found:
        marks.protect(world, one.hero, one.name, by=BY, note=order.options.get("note", ""))
    return Given(text=f"Protected: {whom_of(found)}. Nothing deletes what is protected.")


def _unprotect(world: World, order: Order) -> Given:
    found = chosen(order)
    for one in found:
        marks.unprotect(world, one.hero, one.name, by=BY)
    return Given(text=f"No longer protected: {whom_of(found)}.")


def _promote(world: World, order: Order) -> Given:
    (one,) = _single(order)
    said = champion.promote(world, one.hero, one.name, by=BY)
    return Given(text=said.message, facts={"branch": said.branch, "loaded_by": said.loaded_by})


def _unpin(world: World, order: Order) -> Given:
    hero = next(iter(order.whom), "")
    if not is_hero_name(hero):
        raise BadOrder(f"{strict.shown(hero)} is no hero's name")
    name = champion.unpin(world, hero, by=BY)
    return Given(text=f"{name} is pinned no longer: the champion is chosen by the rule again.")


def _delete(world: World, order: Order) -> Given:
    found = chosen(order)
    heroes = {one.hero for one in found}
    if len(heroes) != 1:
        raise BadOrder("checkpoints of one hero are deleted at a time")
    gone = trash.delete(world, heroes.pop(), [one.name for one in found], by=BY)
    size = formatting.size(gone.size_bytes)
    return Given(
        text=f"Deleted: {whom_of(found)}, {size}. Until the trash is emptied it can be undone.",
        undo=gone.entry,
        facts={"names": gone.names, "size_bytes": gone.size_bytes},
    )


def _undo(world: World, order: Order) -> Given:
    back = trash.undo(world, next(iter(order.whom), ""), by=BY)
    told = "".join(f" {sentence}." for sentence in back.damaged)
    return Given(text=f"Back on the shelf: {', '.join(back.names)}.{told}", facts={"names": back.names})


def _empty(world: World, order: Order) -> Given:
    """All of it, or the entries that are named."""
    gone = trash.empty(world, by=BY, entries=order.whom or None)
    if not gone.entries:
        return Given(text="There is nothing in the trash.")
    return Given(text=f"Gone for good: {formatting.size(gone.size_bytes)}.", facts={"entries": gone.entries})


def _tidy(world: World, order: Order) -> Given:
    """What the rules of the treasury say now."""
    hero = next(iter(order.whom), "")
    if not is_hero_name(hero):
        raise BadOrder(f"{strict.shown(hero)} is no hero's name")
    done = shelf.apply(world, read_settings(world)[0], hero, by=BY)
    if not done.deleted and not done.thinned:
        return Given(text="The rules keep all of it as it is.")
    told = [f"{len(done.deleted)} deleted", f"{len(done.thinned)} keep their weights only"]
    return Given(
        text=f"Done: {', '.join(told)}; {formatting.size(done.freed_bytes)} are free again.",
        undo=done.entry,
        facts={"deleted": done.deleted, "thinned": done.thinned},
    )


def _verify(world: World, order: Order) -> Given:
    quick = order.options.get("quick") in ("1", "on", "true", "True")
    return _jobs(world, order, Job.Kind.VERIFY, options={"quick": quick})


def _export(world: World, order: Order) -> Given:
    adapter = order.options.get("adapter_only") in ("1", "on", "true", "True")
    return _jobs(world, order, Job.Kind.EXPORT, options={"adapter_only": adapter})


def _copy(world: World, order: Order) -> Given:
    goal = order.options.get("to", "")
    if not goal:
        raise BadOrder("to: say which stronghold or zone")
    return _jobs(world, order, Job.Kind.PUSH, destination=goal)


def _jobs(world: World, order: Order, kind: str, **facts: Any) -> Given:
    found = chosen(order)
    made = [queue.add(kind=kind, asset_id=one.asset_id, by=BY, **facts) for one in found]
    word = "copy" if kind == Job.Kind.PUSH else kind
    return _asked(world, f"{word} {whom_of(found)}", made)


def _asked(world: World, what: str, made: Sequence[Job]) -> Given:
    text = f"Asked: {what}."
    if not is_served(world):
        text += " The vault's process is not running: it waits until it is started."
    return Given(text=text, jobs=tuple(job.pk for job in made))


def _scan(world: World, order: Order) -> Given:
    return _asked(world, "look at everything anew, here and elsewhere", [queue.add(kind=Job.Kind.SCAN, by=BY)])


def _snapshot(world: World, order: Order) -> Given:
    job = queue.add(kind=Job.Kind.SNAPSHOT, options={"reason": snapshots.BY_HAND}, by=BY)
    return _asked(world, "a snapshot of this world", [job])


def _cancel(world: World, order: Order) -> Given:
    number = strict.whole_number(next(iter(order.whom), ""), most=LARGEST_ID)
    if number is None:
        raise BadOrder("which job is meant?")
    job = queue.cancel(number, by=BY)
    return Given(text=f"Cancelled: {job.kind}. What has arrived stays for the next try.")


VERBS: dict[str, Callable[[World, Order], Given]] = {
    "protect": _protect,
    "unprotect": _unprotect,
    "promote": _promote,
    "unpin": _unpin,
    "verify": _verify,
    "export": _export,
    "copy": _copy,
    "delete": _delete,
    "undo": _undo,
    "empty": _empty,
    "tidy": _tidy,
    "scan": _scan,
    "snapshot": _snapshot,
    "cancel": _cancel,
}


def _single(order: Order) -> list[Chosen]:
    found = chosen(order)
    if len(found) != 1:
        raise BadOrder("choose one checkpoint")
    return found


def sentence(error: VaultError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
