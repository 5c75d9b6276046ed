"""The forge as the player uses it: a quest of any skill and levels, as many rows as wished, told while it is made."""

from __future__ import annotations

import hashlib
import random
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from guild.errors import GuildError
from guild.evaluation.validation import held_out
from guild.models import Run
from guild.skills.health import trainer_of
from guild.skills.registry import get_skill
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.trainers.sampling import Fresh
from guild.trainers.seeds import derive, shuffled
from guild.work import runs
from guild.work.runs import Watch
from realm import strict
from realm.disk import durable
from realm.quest_names import is_own_name
from realm.world import World

MOST_ROWS = 1_000_000
INBOX = "inbox"
BATCH_ROWS = 2000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_SUFFIX = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class ForgeOrder:
    skill: str
    levels: tuple[int, ...]
    """In equal shares, mixed."""
    count: int
    seed: int
    name: str
    """Of the quest, without its suffix."""
    to: str = INBOX
    """`inbox`, or the absolute path of a file that does not exist yet."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_ROWS:
            raise ValueError(f"count: {self.count} is not allowed; allowed are 1 to {MOST_ROWS}")
        if not self.levels or len(set(self.levels)) != len(self.levels):
            raise ValueError("levels: at least one is needed, and none twice")
        if len(self.levels) > self.count:
            raise ValueError(f"count: {self.count} rows are not enough for {len(self.levels)} levels")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name: {self.name!r} is not allowed; allowed is {_NAME.pattern}")
        if not is_own_name(self.name):
            raise ValueError(f"name: {self.name!r} is as the guild names quests of its own; choose another")


@dataclass(frozen=True, kw_only=True)
class ForgeResult:
    file: str
    rows: int
    sha256: str
    size_bytes: int
    left_out: int
    """Held-out problems that were drawn and not written."""
    seconds: float
    seed: int


def order(
    *,
    skill: str,
    levels: Sequence[int],
    count: int,
    seed: int | None = None,
    name: str | None = None,
    to: Path | None = None,
) -> ForgeOrder:
    """What is asked for, checked as far as it can be before a row is drawn. Raises GuildError."""
    known = get_skill(skill)
    for level in levels:
        if not 1 <= level <= known.max_level:
            raise GuildError(f"{skill} has no level {level}; it has 1 to {known.max_level}")
    seed = secrets.randbits(48) if seed is None else seed
    try:
        return ForgeOrder(
            skill=known.name,
            levels=tuple(levels),
            count=count,
            seed=seed,
            name=_default_name(known.name, levels, count, seed) if name is None else name.removesuffix(_SUFFIX),
            to=INBOX if to is None else str(to.absolute()),
        )
    except ValueError as error:
        raise GuildError(str(error)) from error


def create(order: ForgeOrder, *, by: str) -> Run:
    levels = f"level {order.levels[0]}" if len(order.levels) == 1 else f"levels {_span(order.levels)}"
    title = f"{order.count} problems of {order.skill} {levels}"
    return runs.create(kind=Run.Kind.FORGE, title=title, parameters=asdict(order), by=by)


def perform(world: World, parameters: dict[str, Any], watch: Watch) -> ForgeResult:
    """Write the whole file, or nothing. Raises GuildError and OSError, and StopAsked."""
    asked = strict.read(ForgeOrder, parameters, source="the forge's order")
    begun = time.monotonic()
    watch.tell(0, total=asked.count, message="held-out problems are looked up")
    forbidden = held_out(world, get_skill(asked.skill))
    target = _target(watch.inbox or world.inbox, asked)
    try:
        with trainer_of(world, asked.skill) as trainer, durable.new_file(target) as file:
            sources = _sources(asked, trainer, forbidden)
            watch.tell(message=f"{target.name} is written")
            digest = _write(file, asked, sources, watch)
            size_bytes = file.tell()
    except FileExistsError as error:
        raise GuildError(f"{target} exists already; nothing was written") from error
    return ForgeResult(
        file=str(target),
        rows=asked.count,
        sha256=digest,
        size_bytes=size_bytes,
        left_out=sum(source.left_out for source in sources.values()),
        seconds=round(time.monotonic() - begun, 3),
        seed=asked.seed,
    )


def rows(world: World, asked: ForgeOrder) -> bytes:
    """What `perform` would write, held in memory: for a few thousand rows. Raises GuildError."""
    forbidden = held_out(world, get_skill(asked.skill))
    with trainer_of(world, asked.skill) as trainer:
        sources = _sources(asked, trainer, forbidden)
        drawn = [to_jsonl(to_lesson(problem) for problem in batch) for batch in _batches(asked, sources)]
    return b"".join(drawn)


def in_words(result: ForgeResult) -> str:
    left_out = f", {result.left_out} held-out problems left out" if result.left_out else ""
    return f"{result.rows} rows in {result.file}, {result.seconds:.1f} s{left_out}"


def _write(file: BinaryIO, asked: ForgeOrder, sources: dict[int, Fresh], watch: Watch) -> str:
    """Returns the SHA-256 of what was written."""
    digest = hashlib.sha256()
    done = 0
    for batch in _batches(asked, sources):
        data = to_jsonl(to_lesson(problem) for problem in batch)
        file.write(data)
        digest.update(data)
        done += len(batch)
        watch.tell(done)
    return digest.hexdigest()


def _batches(asked: ForgeOrder, sources: dict[int, Fresh]) -> Iterator[list[Problem]]:
    """Each has its share of every level, so that the levels are mixed through the whole file."""
    shares = _shares(asked)
    batches = -(-asked.count // BATCH_ROWS)
    for batch in range(batches):
        chosen = [
            problem
            for level, rows in shares.items()
            for problem in sources[level].take(rows * (batch + 1) // batches - rows * batch // batches)
        ]
        yield shuffled(chosen, random.Random(derive(asked.seed, "order", batch)))


def _shares(asked: ForgeOrder) -> dict[int, int]:
    share, rest = divmod(asked.count, len(asked.levels))
    return {level: share + (index < rest) for index, level in enumerate(asked.levels)}


def _sources(asked: ForgeOrder, trainer: Trainer, forbidden: frozenset[str]) -> dict[int, Fresh]:
    """Raises GuildError at once where a trainer knows how many problems a level has, and these are not enough."""
    size_of = getattr(trainer, "size", None)
    for level, rows in _shares(asked).items():
        if callable(size_of) and rows > size_of(level) - len(forbidden):
            raise GuildError(
                f"{asked.skill} level {level} has only {size_of(level)} different problems, some of them held out; "
                f"{rows} were asked for"
            )
    seen: set[int] = set()
    return {
        level: Fresh(trainer, skill=asked.skill, level=level, seed=asked.seed, forbidden=forbidden, seen=seen)
        for level in asked.levels
    }


def _target(inbox: Path, asked: ForgeOrder) -> Path:
    """In the inbox a name that is taken gets a number, as any file's; a file of the player's choice must be new."""
    if asked.to != INBOX:
        target = Path(asked.to)
        if not target.parent.is_dir():
            raise GuildError(f"{target.parent} is no folder")
        if target.exists():
            raise GuildError(f"{target} exists already; nothing was written")
        return target
    names = [asked.name, *(f"{asked.name}-{number}" for number in range(2, 1000))]
    return next(path for name in names if not (path := inbox / f"{name}{_SUFFIX}").exists())


def _default_name(skill: str, levels: Sequence[int], count: int, seed: int) -> str:
    """Unlike any name of the curriculum's own: those have a number right behind the level."""
    return f"forge-{skill}-x{count}-levels-{_span(levels)}-seed-{seed:x}"


def _span(levels: Sequence[int]) -> str:
    if len(levels) == 1:
        return str(levels[0])
    together = list(levels) == list(range(levels[0], levels[-1] + 1))
    return f"{min(levels)}-{max(levels)}" if together or len(levels) > 8 else "-".join(map(str, levels))
