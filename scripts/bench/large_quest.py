"""P13: memory and speed of looking at a quest of a gigabyte and packing it, beside one of a tenth of that size."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.bench import runs

BYTES, QUICK_BYTES = 1_000_000_000, 20_000_000
WORDS = 4_000
ROW_WORDS = (20, 220)


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Memory does not vary from run to run, so nothing is repeated; each size has a process of its own."""
    whole = QUICK_BYTES if quick else BYTES
    seen = {size: _look(_write(folder / f"quest-{size}.jsonl", size)) for size in (whole // 10, whole)}
    small, large = seen.values()
    return runs.row(
        "P13", large["peak_mb"], None, f"MB at the most while a quest of {whole / 1e9:g} GB is inspected and packed",
        packed_only_mb=large["peak_after_packing_mb"], a_tenth_mb=small["peak_mb"], start_mb=large["start_mb"],
        mb_per_second=round(whole / 1e6 / large["seconds"], 1), rows=large["rows"], tokens=large["tokens"],
        packing_seconds=large["packing_seconds"], versions=runs.versions("tokenizers"),
    )  # fmt: skip


def _write(path: Path, size: int) -> Path:
    with open(path, "wb") as file:
        for line in _rows(random.Random(7)):
            file.write(line)
            if file.tell() >= size:
                return path
    raise AssertionError("the rows never end")


def _rows(dice: random.Random) -> Iterator[bytes]:
    words = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(1, 9))) for _ in range(WORDS)]
    number = 0
    while True:
        said = [" ".join(dice.choices(words, k=dice.randint(*ROW_WORDS))) for _ in range(2)]
        turns = [{"role": "user", "content": f"{number} {said[0]}"}, {"role": "assistant", "content": said[1]}]
        yield json.dumps({"messages": turns}).encode() + b"\n"
        number += 1


def _look(path: Path) -> dict[str, Any]:
    """In a process of its own, whose peak the kernel knows."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench.large_quest", str(path)], check=True, capture_output=True, text=True
    )
    path.unlink()
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def main() -> None:
    import time

    from arena import embedded
    from arena.gate import report as reports
    from arena.gate import row_index
    from arena.gate.inspection import Look, inspect_in_place
    from arena.gate.rules import GateRules
    from arena.recipe import Recipe
    from arena.rows.masking import ChatMask
    from arena.rows.packing import PackedOrder
    from arena.rows.tokenizer import HeroTokenizer

    path, recipe = Path(sys.argv[1]), Recipe(max_length=1024)
    how = Look(rules=GateRules(), recipe=recipe, mask=ChatMask(HeroTokenizer.load(embedded.SOURCE)))
    start, began = runs.peak_mb(), time.perf_counter()
    report = inspect_in_place(path, how, on_progress=lambda rows, size: None)
    seconds, peak, began = time.perf_counter() - began, runs.peak_mb(), time.perf_counter()
    records = row_index.load(reports.companion(path, reports.ROWS))
    assert records is not None
    PackedOrder(0, report.sha256).rows(records["tokens"][records["verdict"] == row_index.TAKEN], recipe.max_length)
    print(json.dumps({
        "start_mb": start, "peak_mb": peak, "peak_after_packing_mb": runs.peak_mb(), "seconds": seconds,
        "rows": report.rows, "tokens": report.tokens, "packing_seconds": round(time.perf_counter() - began, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
