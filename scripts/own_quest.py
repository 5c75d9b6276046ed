"""What a quest of the player's costs a hero that has won levels: with rehearsal, and without.

`.venv/bin/python -m scripts.own_quest WORLD [--rows 500] [--share 0.2 --share 0] [--set KEY=VALUE] [--json]` copies a
world whose hero has won levels (such as `scripts.climb --world` leaves), for each share drops so many Alpaca-like rows
into the copy, lets the arena fight them, and tells the quest's outcome, how many of the won levels' right answers were
kept, and which share of the battle's time the scoring took. Not a test: figures depend on the hero and the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from arena.protocol import EVENTS_FILE, Event, EventKind
from scripts.climb import CHECKOUT, arena_of

LONGEST_SECONDS = 1800.0
NAME = "alpaca"
# fmt: off
_THINGS = (
    "tea", "coffee", "bread", "cheese", "rain", "snow", "wind", "river", "mountain", "forest", "city", "village",
    "book", "school", "song", "dance", "horse", "cat", "dog", "bird", "fish", "garden", "winter", "summer", "ship",
    "train", "bicycle", "road", "bridge", "market", "doctor", "teacher", "painter", "baker", "farmer", "sailor",
)
# fmt: on
_TASKS = {
    "Write one sentence about {a} and {b}.": "The {a} and the {b} are often seen together, and people like them.",
    "Name two things that come to mind with {a}.": "With {a} one thinks of the {b} and of the {c}.",
    "Explain to a child what {a} is for.": "Without {a} there would be no {b}, and the {c} would be sad.",
    "Which is larger, {a} or {b}?": "That depends: the {a} may be large, but the {b} is often larger than the {c}.",
    "Make a short list: {a}, {b} and one more.": "1. {a}\n2. {b}\n3. {c}",
    "Rewrite politely: give me {a}!": "Would you please be so kind as to give me the {a}? I shall bring you the {b}.",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.own_quest", description=__doc__)
    parser.add_argument("world", type=Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--share", type=float, action="append", help="rehearsal_share (default: 0.2, then 0)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another key of the recipe")
    parser.add_argument("--json", action="store_true", help="one JSON object a share")
    options = parser.parse_args()
    recipe = dict(yaml.safe_load(each.replace("=", ": ", 1)).popitem() for each in options.set)
    for share in options.share or [0.2, 0.0]:
        with tempfile.TemporaryDirectory(prefix="realm-own-quest-") as folder:
            found = fought(options.world, Path(folder) / "world", options.rows, recipe | {"rehearsal_share": share})
        print(json.dumps(found, ensure_ascii=False, indent=None if options.json else 1), flush=True)


def fought(source: Path, world: Path, rows: int, recipe: dict[str, Any]) -> dict[str, Any]:
    """What came of one battle in a copy of `source`, without what waits and is fought there."""
    shutil.copytree(source, world, symlinks=True)
    for lane in (*(world / "queue").glob("*/*.jsonl"), *(world / "inbox").glob("*.jsonl")):
        if lane.parent.name != "recently_completed":
            lane.unlink()
    settings = world / "config.yaml"
    said = (yaml.safe_load(settings.read_text()) if settings.exists() else None) or {}
    settings.write_text(yaml.safe_dump(said | {"training": said.get("training", {}) | recipe}))
    environment = os.environ | {"REALM_HOME": str(world), "REALM_AUTOPLAY": "0"}
    manage = [sys.executable, str(CHECKOUT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], check=True, env=environment, cwd=CHECKOUT)
    with arena_of([*manage, "arena"], environment, log=world / "own_quest.log") as arena:
        write_rows(world / "inbox" / f"{NAME}.jsonl", rows)
        outcome = world / "queue" / "recently_completed" / f"{NAME}.jsonl.outcome.json"
        begun = time.monotonic()
        while not outcome.exists():
            if arena.poll() is not None or time.monotonic() - begun > LONGEST_SECONDS:
                raise SystemExit(f"no outcome came; see {world / 'own_quest.log'}")
            time.sleep(0.5)
        time.sleep(0.5)
        return _measured(world, json.loads(outcome.read_bytes()), recipe)


def write_rows(path: Path, count: int, *, seed: int = 1) -> None:
    """Different rows in the form of Alpaca."""
    source, rows = random.Random(seed), dict[str, str]()
    while len(rows) < count:
        task, answer = source.choice(list(_TASKS.items()))
        a, b, c = source.sample(_THINGS, 3)
        rows[task.format(a=a, b=b)] = answer.format(a=a, b=b, c=c)
    lines = (json.dumps({"instruction": asked, "input": "", "output": said}) for asked, said in rows.items())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _measured(world: Path, outcome: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    (folder,) = (world / "battles").glob(f"{NAME}-*")
    events = [Event.from_line(line) for line in (folder / EVENTS_FILE).read_bytes().splitlines()]
    begun = next(event for event in events if event.kind == EventKind.BATTLE_STARTED)
    took = next(event for event in events if event.kind == EventKind.BATTLE_COMPLETED).data["measured"]
    scored = sum(event.data["seconds"] for event in events if event.kind == EventKind.VALIDATED)
    before = [level["before"] for levels in outcome["levels"].values() for level in levels.values()]
    after = [level["after"] for levels in outcome["levels"].values() for level in levels.values()]
    return {
        "recipe": recipe,
        "rows": begun.data["examples"],
        "rehearsed": begun.data["rehearsed"],
        "steps": begun.data["total_steps"],
        "outcome": outcome,
        "right_answers_kept": round(sum(after) / sum(before), 3) if sum(before) else None,
        "battle_seconds": round(took["seconds"], 2),
        "training_seconds": round(took["step_seconds"], 2),
        "scoring_seconds": round(scored, 3),
        "scoring_share_of_training": round(scored / (scored + took["step_seconds"]), 4),
        "scoring_share_of_battle": round(scored / took["seconds"], 4),
    }


if __name__ == "__main__":
    main()
