"""A6: half of what is dropped has the content of another drop, under its name or another, compressed or not."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arena.gate import report as reports
from arena.rows.lines import content_digest, is_quest_name, stem_of
from realm.world import PRIORITIES
from tests.campaigns.report import Figure, none_of
from tests.campaigns.resting import looked_at, resting_arena, rows, seconds_until
from tests.support.live_arena import LiveArena

ROWS = 3
AGAIN = ("again/{}.jsonl", "{}-under-another-name.jsonl", "{}-compressed.jsonl.gz", "high/{}.jsonl", "low/{}.jsonl.gz")
"""Where the second file of a content is dropped."""
LONGEST_PAUSE_SECONDS = 0.02
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Drop:
    content: int
    place: str
    """Relative to the inbox."""

    def fall(self, arena: LiveArena) -> None:
        target = arena.world.inbox / self.place
        target.parent.mkdir(exist_ok=True)
        staged = arena.world.home / "staged"
        text = content(self.content)
        staged.write_bytes(gzip.compress(text) if target.suffix == ".gz" else text)
        staged.rename(target)


def content(number: int) -> bytes:
    """Rows that stand in no other content."""
    said = ((f"Which row is {row} of {number}?", f"It is row {row} of content {number}.") for row in range(ROWS))
    return b"".join(json.dumps({"prompt": q, "completion": a}).encode() + b"\n" for q, a in said)


def run(folder: Path, base: Path, *, seed: int, drops: int, **variables: str) -> list[Figure]:
    arena = resting_arena(folder, base, **variables)
    plan = _plan(random.Random(seed), drops)
    pauses = random.Random(seed)
    try:
        arena.start()
        begun = time.monotonic()
        for drop in plan:
            drop.fall(arena)
            time.sleep(pauses.random() ** 4 * LONGEST_PAUSE_SECONDS)
        took = seconds_until(lambda: looked_at(arena) == len(plan), begun, most=TIMEOUT_SECONDS + 0.2 * drops)
    finally:
        arena.stop()
    return _figures(arena, plan, took)


def _plan(dice: random.Random, drops: int) -> list[Drop]:
    contents = range(drops // 2)
    plan = [Drop(number, f"quest-{number:05}.jsonl") for number in contents]
    plan += [Drop(number, dice.choice(AGAIN).format(f"quest-{number:05}")) for number in contents]
    dice.shuffle(plan)
    return plan


def _figures(arena: LiveArena, plan: Sequence[Drop], took: float | None) -> list[Figure]:
    contents = sorted({drop.content for drop in plan})
    twins = len(plan) - len(contents)
    what = f"{len(plan)} drops, {twins} of them of the same content as another: until all were looked at"
    return [
        Figure(promise="A6", what=what, figure="never" if took is None else f"{took:.1f} s"),
        none_of("A6", "contents not queued exactly once", _not_once(arena, contents), len(contents)),
        none_of("A6", "duplicates not in failed/ with their twin's name", _untold(arena, contents), twins),
    ]


def _not_once(arena: LiveArena, contents: Sequence[int]) -> list[str]:
    """By the files in the lanes and by the index: both must hold each content once."""
    lying, queued = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for lane in map(arena.world.lane, PRIORITIES):
        for path in _quests(lane):
            lying[content_digest(path)].append(path.relative_to(arena.world.queue).as_posix())
    for row in rows(arena):
        if row.state == "queued":
            queued[row.sha256].append(row.file)
    digests = {number: hashlib.sha256(content(number)).hexdigest() for number in contents}
    return [
        f"content {number}: {lying[digest] or 'no file'}, {queued[digest] or 'no row'}"
        for number, digest in digests.items()
        if len(lying[digest]) != 1 or lying[digest] != queued[digest]
    ]


def _untold(arena: LiveArena, contents: Sequence[int]) -> list[str]:
    kept = {content_digest(path): stem_of(path.name) for lane in PRIORITIES for path in _quests(arena.world.lane(lane))}
    told: dict[str, list[str]] = defaultdict(list)
    for path in _quests(arena.world.failed):
        told[content_digest(path)].append(_reason(path))
    wrong = []
    for number in contents:
        digest = hashlib.sha256(content(number)).hexdigest()
        if told[digest] != [f"duplicate: the same content as {kept.get(digest)}, which is queued"]:
            wrong.append(f"content {number}: {told[digest]}")
    return wrong


def _reason(path: Path) -> str:
    try:
        said = json.loads(reports.companion(path, reports.REASON).read_bytes())
    except FileNotFoundError:
        return "no reason"
    return f"{said['kind']}: {said['reason']}"


def _quests(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if is_quest_name(path.name)]
