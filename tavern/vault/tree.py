"""The tree of a hero's branches, the root first; what the hero has come from is marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Max, Sum

from realm.branch_rows import branches_of
from realm.checkpoints import branches
from realm.checkpoints.branches import FIRST, Branches
from realm.checkpoints.names import step_of
from vault.models import Checkpoint

DEEPEST = 6
"""Deeper branches are not moved in any further."""


@dataclass(frozen=True, kw_only=True)
class Node:
    name: str
    depth: int
    active: bool
    on_line: bool
    """The hero has come from it."""
    count: int
    size_bytes: int
    newest_step: int | None
    start: str
    """Of the checkpoint at which it begins; empty: the base model."""
    parent: str

    @property
    def key(self) -> str:
        """In addresses."""
        return self.name or "1"

    @property
    def title(self) -> str:
        return branches.title(self.name)

    @property
    def begins(self) -> str:
        if not self.start:
            return "from the base model"
        return f"from step {step_of(self.start) or 0:,} of {branches.title(self.parent)}"


def read_tree(hero: str) -> list[Node]:
    """A parent stands before its children, siblings oldest first."""
    known = branches_of(hero)
    mine = Checkpoint.objects.filter(hero=hero).order_by().values_list("branch")
    counted = {
        name: (many, size, newest)
        for name, many, size, newest in mine.annotate(many=Count("pk"), size=Sum("size_bytes"), newest=Max("step"))
    }
    line = {segment.branch for segment in known.line().segments}
    found = list(_walk(known))
    found += [(name, 0) for name in sorted(set(counted) - {name for name, _ in found})]
    return [_node(known, name, depth, counted.get(name, (0, 0, None)), name in line) for name, depth in found]


def _node(known: Branches, name: str, depth: int, counted: tuple[int, int, int | None], on_line: bool) -> Node:
    said = known.branches.get(name)
    many, size, newest = counted
    return Node(
        name=name,
        depth=min(depth, DEEPEST),
        active=name == known.active,
        on_line=on_line,
        count=many,
        size_bytes=size,
        newest_step=newest,
        start=(said.start or "") if said else "",
        parent=said.parent if said else FIRST,
    )


def _walk(known: Branches) -> Iterator[tuple[str, int]]:
    """Names with their depth; one whose parent is not known stands beside the first."""
    children: dict[str, list[str]] = {}
    for name, branch in known.branches.items():
        parent = branch.parent if branch.start and branch.parent in known.names and branch.parent != name else FIRST
        children.setdefault(parent, []).append(name)
    waiting, seen = [(FIRST, 0)], set[str]()
    while waiting:
        name, depth = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(name, []))]
    yield from ((name, 0) for name in known.names if name not in seen)


def in_order(nodes: list[Node]) -> dict[str, int]:
    """As the shelf shows them, with how many each has: the active branch, those it came from, the others."""
    ranked = sorted(enumerate(nodes), key=lambda pair: (not pair[1].active, not pair[1].on_line, -pair[0]))
    return {node.name: node.count for _, node in ranked}
