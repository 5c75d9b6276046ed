"""Levels won and lost and champions made, by battle, as the chronicle tells them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from arena.models import ChronicleEntry
from arena.protocol import EventKind
from vault.models import Checkpoint

WON, LOST, REGAINED, CROWNED = "skill_level_up", "skill_level_lost", "skill_level_regained", "new_champion"
_KINDS = (WON, LOST, REGAINED, CROWNED)


@dataclass(frozen=True, kw_only=True)
class Deeds:
    """Levels as `BIN 3`, checkpoints by name, each in the order in which it happened."""

    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    regained: tuple[str, ...] = ()
    champions: tuple[str, ...] = ()


NONE = Deeds()


def of_battles(battles: Iterable[str]) -> dict[str, Deeds]:
    """By battle; those that did nothing of the kind are left out.

    What a host measured names a checkpoint: the battle is the one that saved it.
    """
    names = list(battles)
    told: dict[str, dict[str, list[str]]] = {}
    for battle, kind, what in (*_by_daemon(names), *_by_queue(names)):
        told.setdefault(battle, {}).setdefault(kind, []).append(what)
    return {battle: _deeds(kinds) for battle, kinds in told.items()}


def _deeds(kinds: Mapping[str, list[str]]) -> Deeds:
    def once(kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kinds.get(kind, ())))

    return Deeds(won=once(WON), lost=once(LOST), regained=once(REGAINED), champions=once(CROWNED))


def _by_daemon(battles: list[str]) -> Iterator[tuple[str, str, str]]:
    sources = [f"{battle}:{kind}" for battle in battles for kind in _KINDS]
    for part in _slices(sources):
        rows = ChronicleEntry.objects.filter(source__in=part).order_by("id").values_list("source", "kind", "data")
        for source, kind, data in rows:
            if what := _what(kind, data):
                yield source.rpartition(":")[0], kind, what


def _by_queue(battles: list[str]) -> Iterator[tuple[str, str, str]]:
    battle_of = _checkpoints_of(battles)
    sources = [f"evaluation:{kind}" for kind in _KINDS]
    rows = ChronicleEntry.objects.filter(source__in=sources).order_by("id").values_list("kind", "data")
    for kind, data in rows:
        battle = battle_of.get(str(data.get("checkpoint"))) if isinstance(data, dict) else None
        if battle and (what := _what(kind, data)):
            yield battle, kind, what


def _checkpoints_of(battles: list[str]) -> dict[str, str]:
    """Their battle by name; of those that made room the chronicle knows it still."""
    found: dict[str, str] = {}
    for part in _slices(battles):
        saved = ChronicleEntry.objects.filter(kind=EventKind.CHECKPOINT_SAVED, source__in=part)
        told = saved.values_list("data__name", "source")
        found |= {str(name): battle for name, battle in told if name}
        found |= dict(Checkpoint.objects.filter(battle__in=part).values_list("name", "battle"))
    return found


def _what(kind: str, data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    if kind == CROWNED:
        return str(data.get("name") or "")
    skill, level = data.get("skill"), data.get("level")
    if not isinstance(skill, str) or not isinstance(level, int):
        return ""
    return f"{skill.upper()} {level - 1 if kind == WON else level}"  # a level that is won names the one that begins


def _slices(values: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
