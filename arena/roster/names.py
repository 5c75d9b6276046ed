"""Whether a name can be a new hero's, and which ones could be instead."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from arena.roster.errors import UnknownHero
from realm import heroes, strict
from realm.config import is_hero_name
from realm.world import World

MOST_LETTERS = 40
SUGGESTED = 3
FORM = f"a name has 1 to {MOST_LETTERS} letters (A-Z, a-z), digits, '-' and '_', a letter first"
KNOWN = ("GALAHAD", "BRADAMANTE", "LANCELOT", "BRITOMART", "PERCIVAL", "MORIEN", "TRISTAN", "GARETH")


@dataclass(frozen=True, kw_only=True)
class NameCheck:
    name: str
    refusal: str = ""
    """Why it cannot be; empty where it can."""
    suggestions: tuple[str, ...] = ()
    """Names that could be, nearest first."""

    @property
    def free(self) -> bool:
        return not self.refusal


def check(world: World, name: str) -> NameCheck:
    """Of a name as it was typed. Names that differ in their case alone are one: some file systems know no case."""
    name = name.strip()
    taken = {path.name.lower(): path.name for path in heroes.folders(world)}
    refusal = ""
    if not name:
        refusal = "A hero wants a name."
    elif not is_hero_name(name):
        refusal = f"{name[:80]!r} cannot be a hero's name: {FORM}."
    elif name.lower() in taken:
        refusal = f"{taken[name.lower()]} is a hero of this world already."
    free = (one for one in _ideas(name) if is_hero_name(one) and one.lower() not in taken)
    return NameCheck(
        name=name,
        refusal=refusal,
        suggestions=tuple(itertools.islice(dict.fromkeys(free), SUGGESTED if refusal else 0)),
    )


def must_be_known(world: World, hero: str) -> None:
    """Raises UnknownHero."""
    if not heroes.is_here(world, hero):
        raise UnknownHero(f"there is no hero {strict.shown(hero[:80])} here")


def _ideas(name: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = re.sub(r"^[^A-Za-z]+", "", re.sub(r"[^A-Za-z0-9_-]+", "-", plain)).strip("-_")
    if stem:
        yield stem[:MOST_LETTERS]
        yield from (f"{stem[: MOST_LETTERS - 3]}-{number}" for number in (2, 3))
    yield from KNOWN
