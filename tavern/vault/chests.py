"""Checkpoints as chests: what each holds, what marks it, where copies of it lie. A page costs a fixed few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guild.champion import crown
from guild.models import Evaluation
from guild.skills.registry import read_skills
from realm.branch_rows import branches_of
from realm.checkpoints import branches
from realm.oracle import served
from realm.world import World
from tavern.guild.grid import Cell
from vault.assets.ids import checkpoint_id
from vault.models import Checkpoint, Location
from vault.selectors import newest_checkpoint


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One skill's levels as a checkpoint answered them."""

    title: str
    cells: list[Cell]

    @property
    def held(self) -> list[int]:
        return [cell.level for cell in self.cells if cell.tone == "enough"]


@dataclass(frozen=True, kw_only=True)
class Mark:
    word: str
    tone: str
    help: str


@dataclass(frozen=True, kw_only=True)
class Chest:
    row: Checkpoint
    branch: str
    """Its title."""
    strips: list[Strip]
    marks: list[Mark]
    copies: list[Location]
    """Beside the one that lies here."""
    damage: str
    is_pinned: bool
    """Its crown is the player's choice."""
    has_parent: bool
    """Whether the one that it was trained from is still listed."""

    @property
    def key(self) -> str:
        """In forms; a hero's name holds no slash."""
        return f"{self.row.hero}/{self.row.name}"

    @property
    def asset_id(self) -> str:
        return checkpoint_id(self.row.hero, self.row.name)

    @property
    def is_champion(self) -> bool:
        return any(mark.tone == "gold" for mark in self.marks)

    @property
    def whole_copies(self) -> list[Location]:
        return [copy for copy in self.copies if copy.state == Location.State.PRESENT]

    @property
    def over(self) -> str:
        """What its validation loss was measured over."""
        said = self.row.val_set
        return f"{said['name']}: {said['rows']:,} rows" if said else "the checkpoint does not say over what"


def chests_of(world: World, hero: str, rows: Sequence[Checkpoint], *, damage: dict[str, str]) -> list[Chest]:
    """In the order of `rows`, which are all of `hero`."""
    names = [row.name for row in rows]
    strips = strips_of(hero, names)
    marks = _Marks(world, hero)
    copies = _copies(hero, names)
    wanted = [row.parent for row in rows if row.parent]
    parents = set(Checkpoint.objects.filter(hero=hero, name__in=wanted).values_list("name", flat=True))
    return [
        Chest(
            row=row,
            branch=branches.title(row.branch),
            strips=strips[row.name],
            marks=marks.of(row),
            copies=copies.get(checkpoint_id(hero, row.name), []),
            damage=damage.get(row.name, ""),
            is_pinned=row.name in marks.pinned,
            has_parent=row.parent in parents,
        )
        for row in rows
    ]


def strips_of(hero: str, names: Sequence[str]) -> dict[str, list[Strip]]:
    """By checkpoint; all of one skill are equally long, so that they stand below each other."""
    found: dict[tuple[str, str, int], Evaluation] = {}
    highest: dict[str, int] = {}
    for row in Evaluation.objects.filter(hero=hero, checkpoint__in=names):
        found[row.checkpoint, row.skill, row.level] = row
        highest[row.skill] = max(highest.get(row.skill, 0), row.level)
    titles = {skill.name: skill.title for skill in read_skills()}
    return {
        name: [
            Strip(title=titles.get(skill, skill), cells=cells)
            for skill, most in sorted(highest.items())
            if any(cells := [Cell(level=level, row=found.get((name, skill, level))) for level in range(1, most + 1)])
            and any(cell.row for cell in cells)
        ]
        for name in names
    }


def _copies(hero: str, names: Sequence[str]) -> dict[str, list[Location]]:
    ids = [checkpoint_id(hero, name) for name in names]
    found: dict[str, list[Location]] = {}
    for location in (
        Location.objects.filter(asset__asset_id__in=ids).exclude(stronghold="local").select_related("asset")
    ):
        found.setdefault(location.asset.asset_id, []).append(location)
    return found


class _Marks:
    """What is known of a hero's checkpoints at one moment."""

    def __init__(self, world: World, hero: str) -> None:
        newest = newest_checkpoint(world, hero)
        self._newest = newest.name if newest else ""
        self._crowned = crown.holders(world, hero)
        self.pinned = {pin.name for pin in crown.pins(world, hero).values()}
        self._served = served.held(world, hero)
        self._starts = branches_of(hero).starts

    def of(self, row: Checkpoint) -> list[Mark]:
        said = [
            (row.name in self._crowned, Mark(word="champion", tone="gold", help="It holds the crown of its branch.")),
            (row.name in self.pinned, Mark(word="pinned", tone="gold", help="The champion by your choice.")),
            (row.name == self._newest, Mark(word="newest", tone="sky", help="Training goes on from here.")),
            (row.protected, Mark(word="protected", tone="moss", help="No policy and no order deletes it.")),
            (row.name in self._served, Mark(word="served", tone="arcane", help="An inference host has it loaded.")),
            (row.name in self._starts, Mark(word="root", tone="plain", help="A branch begins here.")),
            (row.weights_only, Mark(
                word="weights only", tone="ember",
                help="It answers as ever; who goes on from it gets a fresh optimizer.",
            )),
        ]  # fmt: skip
        return [mark for holds, mark in said if holds]
