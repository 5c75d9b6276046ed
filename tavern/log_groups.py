"""Entries of the log that belong together, as one row: what a checkpoint brought, and floods of one kind.

`static/js/home/log.js` does the same with what comes over the socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tavern.log_looks import Entry

RANK = ("plain", "sky", "gold", "moss", "arcane", "ember", "blood")
"""Tones; a group has the last of its entries' in this order."""


@dataclass(kw_only=True)
class Group:
    key: str
    entries: list[Entry] = field(default_factory=list)
    """The newest first."""

    @property
    def is_one(self) -> bool:
        return len(self.entries) == 1

    @property
    def newest(self) -> Entry:
        return self.entries[0]

    @property
    def is_checkpoint(self) -> bool:
        return self.key.startswith("checkpoint ")

    @property
    def title(self) -> str:
        if not self.is_checkpoint:
            return self.newest.message
        saved = any(entry.kind == "checkpoint_saved" for entry in self.entries)
        return f"{'Checkpoint' if saved else 'Step'} {self.newest.step:,}"

    @property
    def briefs(self) -> str:
        """`: 25 of 25 right, val 0.02`, in the order in which they were told."""
        said = [entry.brief for entry in reversed(self.entries) if entry.brief] if self.is_checkpoint else []
        return f": {', '.join(said)}" if said else ""

    @property
    def icon(self) -> str:
        return "locked-chest" if self.is_checkpoint else self.newest.icon

    @property
    def tone(self) -> str:
        return max((entry.tone for entry in self.entries), key=lambda tone: RANK.index(tone))


def groups_of(entries: Iterable[Entry]) -> list[Group]:
    """`entries` are the newest first; so are the groups, each where its first entry was told.

    Only what follows itself at once is a flood.
    """
    groups: list[Group] = []
    of_checkpoint: dict[str, Group] = {}
    for entry in reversed(list(entries)):
        last = groups[-1] if groups else None
        group = of_checkpoint.get(entry.group) or (last if last and entry.group and last.key == entry.group else None)
        if group is None:
            group = Group(key=entry.group)
            groups.append(group)
            if group.is_checkpoint:
                of_checkpoint[group.key] = group
        group.entries.insert(0, entry)
    return groups[::-1]
