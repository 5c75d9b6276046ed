"""Runs every row and prints one table, or one JSON object a line."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.bench import hero_throughput

ROWS = {hero_throughput.ID: hero_throughput.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each side (default 5)")
    parser.add_argument("rows", nargs="*", help=f"rows to measure (default all: {', '.join(ROWS)})")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"unknown row {', '.join(sorted(unknown))}; known are {', '.join(ROWS)}")
    results = []
    for name in arguments.rows or ROWS:
        with tempfile.TemporaryDirectory(prefix="realm-bench-") as folder:
            results.append(ROWS[name](Path(folder), repeats=arguments.repeats))
        if arguments.json:
            print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    if not arguments.json:
        show(results)


def show(results: list[dict[str, object]]) -> None:
    table = Table("row", "ours", "peer", "ratio", "unit", "details")
    for result in results:
        named = ("id", "ours", "peer", "ratio", "unit")
        details = {key: value for key, value in result.items() if key not in named}
        table.add_row(*(f"{result[key]}" for key in named), json.dumps(details, ensure_ascii=False, indent=1))
    Console().print(table)


if __name__ == "__main__":
    main()
