"""The list of battles as the page shows it: a page of cards at a time, and what can be asked of the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from arena.history import deleting, finding, notes
from arena.history.finding import STATES, Search
from arena.history.notes import Notes
from arena.models import Battle
from realm.world import World
from watchtower.battles import deeds, facts, figures
from watchtower.battles.deeds import Deeds
from watchtower.battles.figures import Figures

AT_ONCE = 40
LONGEST_SEARCH = 200
TONES = {"training": "ember", "paused": "sky", "completed": "moss", "failed": "blood", "stopped": "plain"}
_KEYS = ("q", "state", "skill", "tag", "hero")


@dataclass(frozen=True, kw_only=True)
class Card:
    battle: Battle
    title: str
    named: bool
    """Whether the title is the player's own."""
    notes: Notes
    tone: str
    figures: Figures | None
    deeds: Deeds
    live: bool
    restorable: bool


@dataclass(frozen=True, kw_only=True)
class Listed:
    cards: tuple[Card, ...]
    total: int
    everything: int
    """Battles that there are, whatever was asked for; deleted ones are not counted."""
    first: int
    """Number of the first card, from 1."""
    newer: str
    """Query of the page before; empty where there is none."""
    older: str
    search: Search
    trouble: str
    states: tuple[str, ...]
    skills: tuple[str, ...]
    heroes: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def last(self) -> int:
        return self.first + len(self.cards) - 1

    @property
    def is_searched(self) -> bool:
        return self.search != Search()


def read_list(world: World, asked: Mapping[str, str]) -> Listed:
    """What the address asks for; a state that is none is told, and all are shown."""
    given = {key: asked.get(key, "").strip()[:LONGEST_SEARCH] for key in _KEYS}
    trouble = ""
    try:
        search = _search(given)
    except ValueError as error:
        trouble, given["state"] = str(error), ""
        search = _search(given)
    found = finding.battles(search)
    total = found.count()
    number = _page(asked.get("page", ""), total)
    rows = list(found[number * AT_ONCE : (number + 1) * AT_ONCE])
    live = Battle.objects.filter(record__deleted_at=None)
    return Listed(
        cards=tuple(cards(world, rows)),
        total=total,
        everything=live.count(),
        first=number * AT_ONCE + 1,
        newer=_query(given, number - 1) if number else "",
        older=_query(given, number + 1) if (number + 1) * AT_ONCE < total else "",
        search=search,
        trouble=trouble,
        states=STATES,
        skills=_distinct("quest__skill"),
        heroes=_distinct("hero"),
        tags=tuple(finding.all_tags()),
    )


def _search(given: Mapping[str, str]) -> Search:
    return Search(
        text=given["q"], state=given["state"], skill=given["skill"], tag=given["tag"].lstrip("#"), hero=given["hero"]
    )


def _page(text: str, total: int) -> int:
    """From 0; what is none is the first, what lies behind the last is the last."""
    wanted = int(text) - 1 if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return max(0, min(wanted, (total - 1) // AT_ONCE))


def _query(given: Mapping[str, str], number: int) -> str:
    return urlencode({key: value for key, value in given.items() if value} | {"page": number + 1})


def _distinct(field: str) -> tuple[str, ...]:
    found = Battle.objects.order_by(field).values_list(field, flat=True).distinct()
    return tuple(value for value in found[:50] if value)


def cards(world: World, rows: Sequence[Battle]) -> list[Card]:
    done = deeds.of_battles([row.battle_id for row in rows])
    return [_card(world, row, done.get(row.battle_id, deeds.NONE)) for row in rows]


def _card(world: World, battle: Battle, did: Deeds) -> Card:
    record = notes.record_of(battle)
    return Card(
        battle=battle,
        title=facts.title_of(battle),
        named=bool(record.label),
        notes=notes.of_record(record),
        tone=TONES[battle.state],
        figures=figures.of_battle(world, battle),
        deeds=did,
        live=battle.state == Battle.State.TRAINING,
        restorable=record.deleted_at is not None and deleting.can_be_restored(world, battle),
    )
