"""Runs every row that this machine can show and prints one table, or one JSON object a line.

`--gpu` runs the rows of Qwen3-0.6B instead; they need torch, transformers, peft and accelerate, and no Django.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

HERO_ROWS = {
    "P1": "hero_throughput",
    "P4": "packing_fill",
    "P6": "save_stall",
    "P7": "inbox_latency",
    "P8": "start_times",
    "P9": "answering",
    "P12": "idle_cost",
    "P13": "large_quest",
    "P14": "large_ledger",
    "P16": "estimates",
    "admin": "admin_lists",
    "matmul": "matmul_share",
}
GPU_ROWS = {
    "P2": "full",
    "P3": "share",
    "P6": "stall",
    "P9": "answers",
    "P15": "memory",
    "P16": "estimate",
    "resume": "resume",
    "ranks": "ranks",
}
QUICK_REPEATS, REPEATS = 2, 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--only", default="", help=f"rows, such as P1,P4; known are {', '.join(HERO_ROWS)}")
    parser.add_argument("--repeats", type=int, help=f"runs of each side (default {REPEATS})")
    parser.add_argument("--quick", action="store_true", help="small runs, to see that it works; figures mean little")
    parser.add_argument("--gpu", action="store_true", help=f"rows of Qwen3-0.6B: {', '.join(GPU_ROWS)}")
    parser.add_argument("--shape", choices=("qwen3-0.6b", "tiny"), default="qwen3-0.6b", help="with --gpu")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="with --gpu")
    arguments = parser.parse_args()
    known = GPU_ROWS if arguments.gpu else HERO_ROWS
    chosen = [name for name in arguments.only.split(",") if name] or list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"unknown row {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    repeats = arguments.repeats or (QUICK_REPEATS if arguments.quick else REPEATS)
    results: list[dict[str, Any]] = []
    for result in (on_gpu if arguments.gpu else of_hero)(chosen, arguments, repeats):
        results.append(result)
        if arguments.json:
            print(json.dumps(result, ensure_ascii=False), flush=True)
    if not arguments.json:
        show(results)


def of_hero(chosen: list[str], arguments: argparse.Namespace, repeats: int) -> Any:
    for name in chosen:
        measure: Callable[..., dict[str, Any]] = import_module(f"scripts.bench.{HERO_ROWS[name]}").measure
        with tempfile.TemporaryDirectory(prefix="realm-bench-") as folder:
            yield measure(Path(folder), repeats=repeats, quick=arguments.quick)


def on_gpu(chosen: list[str], arguments: argparse.Namespace, repeats: int) -> Any:
    """All rows share one folder: the random base model is made once."""
    gpu = import_module("scripts.bench.gpu")
    with tempfile.TemporaryDirectory(prefix="realm-bench-") as folder:
        bench = gpu.Bench(Path(folder), arguments.shape, arguments.device, repeats=repeats, quick=arguments.quick)
        for name in chosen:
            yield getattr(bench, GPU_ROWS[name])()


def show(results: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("row", "ours", "peer", "ratio", "unit", "details")
    for result in results:
        named = ("id", "ours", "peer", "ratio", "unit")
        details = {key: value for key, value in result.items() if key not in named}
        table.add_row(*(f"{result[key]}" for key in named), json.dumps(details, ensure_ascii=False, indent=1))
    Console().print(table)


if __name__ == "__main__":
    main()
