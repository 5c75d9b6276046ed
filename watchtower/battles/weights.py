"""How far a battle moved the hero's weights: L2 of the difference over the norm before, by group of tensors."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from django.db.models import Sum

from arena.models import Battle
from arena.protocol import EventKind
from arena.statistics.source import Source
from realm.world import World
from vault.errors import VaultError
from vault.ledger.comparing import compare
from vault.ledger.moves import Move
from vault.models import Checkpoint

MOST_BYTES = 64_000_000
"""Of both checkpoints, that are read without being asked to."""
_GROUPS = (
    ("embeddings", re.compile(r"embed|wte|wpe")),
    ("attention", re.compile(r"attn|attention|[qkvo]_proj")),
    ("feed-forward", re.compile(r"mlp|ffn|feed_forward|gate_proj|up_proj|down_proj|fc")),
    ("norms", re.compile(r"norm|ln_")),
    ("head", re.compile(r"lm_head|score|classifier")),
)
_REST = "others"


@dataclass(frozen=True, kw_only=True)
class Group:
    name: str
    tensors: int
    relative: float | None
    """Of all its tensors that moved; None where all was zero before."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """From the checkpoint that the battle began from to its last one."""

    before: str | None
    after: str | None
    groups: tuple[Group, ...]
    relative: float | None
    why_not: str = ""
    """Why it is not known, in words; empty where it is."""
    size_bytes: int = 0
    """That would be read; 0 where it was, or cannot be."""


def moved(world: World, battle: Battle, source: Source, *, whole: bool = False) -> Moved:
    """`whole` reads them however large they are."""
    begun = next((event for event in source.events if event.kind == EventKind.BATTLE_STARTED), None)
    before = begun.data.get("checkpoint") if begun else None
    saved = Checkpoint.objects.filter(hero=battle.hero, battle=battle.battle_id).order_by("-step", "-name").first()
    after = saved.name if saved else None
    if not isinstance(before, str):
        return _unknown(None, after, "it began from the base model, of which no checkpoint lies here")
    if after is None:
        return _unknown(before, None, "no checkpoint of it lies here any more")
    rows = Checkpoint.objects.filter(hero=battle.hero, name__in=(before, after))
    if rows.count() < 2:
        return _unknown(before, after, f"{before}, which it began from, made room")
    size = rows.aggregate(size=Sum("size_bytes"))["size"] or 0
    if size > MOST_BYTES and not whole:
        return Moved(before=before, after=after, groups=(), relative=None, size_bytes=size)
    try:
        found = compare(world, battle.hero, before, after).moves
    except (VaultError, OSError) as error:
        return _unknown(before, after, str(error))
    return Moved(before=before, after=after, groups=_grouped(found), relative=_relative(found))


def _unknown(before: str | None, after: str | None, why: str) -> Moved:
    return Moved(before=before, after=after, groups=(), relative=None, why_not=why)


def _grouped(moves: tuple[Move, ...]) -> tuple[Group, ...]:
    by_group: dict[str, list[Move]] = {}
    for move in moves:
        name = next((group for group, pattern in _GROUPS if pattern.search(move.name)), _REST)
        by_group.setdefault(name, []).append(move)
    names = [name for name, _ in _GROUPS] + [_REST]
    return tuple(
        Group(name=name, tensors=len(by_group[name]), relative=_relative(by_group[name]))
        for name in names
        if name in by_group
    )


def _relative(moves: tuple[Move, ...] | list[Move]) -> float | None:
    norm = math.sqrt(sum(move.norm**2 for move in moves))
    return math.sqrt(sum(move.distance**2 for move in moves)) / norm if norm else None
