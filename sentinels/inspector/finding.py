"""What a look at one thing found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from realm.config import RealmConfig
from realm.world import World

Verdict = Literal["ok", "warning", "trouble"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""The best one first."""
MOST_NAMED = 3
UNKNOWN = "could not be looked at"


@dataclass(frozen=True, kw_only=True)
class Finding:
    what: str
    verdict: Verdict
    sentence: str
    remedy: str = ""
    """What to do, with commands in backticks; empty where nothing has to be done or nobody knows what."""
    path: str = ""
    """Of the file or folder that it is about."""
    check: str = ""
    """Name of the check that found it."""

    @property
    def is_unknown(self) -> bool:
        """Whether the check itself failed: nobody knows what it would have found."""
        return self.what == self.check and self.sentence.startswith(UNKNOWN)

    def __str__(self) -> str:
        """One line."""
        remedy = self.remedy and f" → {self.remedy}"
        return f"{self.verdict:<9}{self.what}: {self.sentence}{remedy}"


@dataclass(frozen=True, kw_only=True)
class Patrolled:
    """What is looked at, and how far."""

    world: World
    config: RealmConfig
    deep: bool = False
    """Whether every byte is read that a check can read, however long that takes."""


def ok(what: str, sentence: str) -> Finding:
    return Finding(what=what, verdict="ok", sentence=sentence)


def warning(what: str, sentence: str, remedy: str = "", *, path: object = "") -> Finding:
    return Finding(what=what, verdict="warning", sentence=sentence, remedy=remedy, path=str(path))


def trouble(what: str, sentence: str, remedy: str = "", *, path: object = "") -> Finding:
    return Finding(what=what, verdict="trouble", sentence=sentence, remedy=remedy, path=str(path))


def worst(findings: Iterable[Finding]) -> Verdict:
    return max((finding.verdict for finding in findings), key=VERDICTS.index, default="ok")


def named(names: Iterable[str]) -> str:
    """The first few of them, and how many more there are."""
    all_names = sorted(names)
    more = len(all_names) - MOST_NAMED
    return ", ".join(all_names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
