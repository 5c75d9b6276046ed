"""In ten minutes: what this CUDA machine makes of the trainer, beside what is promised, as a table and one JSON file.

The rows are those of `scripts/bench.sh --gpu`, each once and in small, in the order of their worth. A row that fails,
or takes longer than it may, is told, and the next one is measured. Needs torch, transformers, peft and accelerate.
`--dry-run` shows on the CPU, with a tiny shape, that the rows work; of its figures only `resume` means something.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

MINUTES = 10.0
KEPT, BROKEN, INCOMPLETE = 0, 1, 2
"""Exit codes: every row that ran kept its promise; one did not; one failed or did not come to its turn."""


@dataclass(frozen=True)
class Row:
    """What is promised of a row, and how long it may take; `kept` is None where it cannot be told."""

    id: str
    seconds: float
    promised: str
    kept: Callable[[dict[str, Any]], bool | None]
    exact: bool = False
    """Whether it holds at any size, and not only at that of a real model on a GPU."""


def _against_trl(row: dict[str, Any]) -> bool | None:
    if row["ratio"] is None or row["ratio_to_defaults"] is None:
        return None
    return bool(row["ratio"] >= 1.25 and row["ratio_to_defaults"] >= 2)


ROWS = (
    Row("resume", 200, "the same bits after a kill", lambda row: row["ours"] == 1 and row["interrupted"], exact=True),
    Row("P2", 180, "1.25 × TRL tuned, 2 × its defaults", _against_trl),
    Row("P15", 60, "40 GB full, 10 GB LoRA", lambda row: row["ours"] <= 40 and row["lora_4k"] <= 10),
    Row("P16", 60, "within 15%", lambda row: row["ours"] <= 0.15 and "seconds_error" in row["errors"]),
    Row("P3", 80, "45%", lambda row: row["ours"] >= 0.45),
    Row("P9", 90, "2 s", lambda row: row["ours"] <= 2),
    Row("P6", 90, "200 ms", lambda row: row["ours"] <= 200),
    Row("ranks", 90, "losses as of one", lambda row: row["largest_loss_difference"] <= 0.01, exact=True),
)


@dataclass
class Result:
    """Of one row: `state` is `ran`, `not here`, `failed`, `out of time` or `no time left`; `reason` says why not."""

    id: str
    promised: str
    state: str
    figure: float | None = None
    unit: str = ""
    kept: bool | None = None
    seconds: float = 0.0
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class Worker:
    """The process that measures. It is begun anew where a row failed: a CUDA error leaves nothing usable behind."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._replies: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.told: dict[str, Any] = {}
        """What the machine is, as it said when it was begun."""

    def ask(self, name: str, deadline: float) -> dict[str, Any]:
        """Its answer to the row. Raises TimeoutError, which ends it and whatever it started."""
        if self._process is None:
            self._begin()
            first = self._answer(deadline)
            if "failed" in first:
                return first
            self.told = first
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which its listener tells
            print(name, file=self._process.stdin, flush=True)
        answer = self._answer(deadline)
        if "failed" in answer:
            self.end()
        return answer

    def _begin(self) -> None:
        # A queue of its own: what an ended one still said is not heard.
        self._replies = SimpleQueue()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        threading.Thread(target=_listen, args=(self._process, self._replies), daemon=True).start()

    def _answer(self, deadline: float) -> dict[str, Any]:
        try:
            return self._replies.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            self.end()
            raise TimeoutError from None

    def end(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
        self._process.wait()
        self._process = None


def _listen(process: subprocess.Popen[str], replies: SimpleQueue[dict[str, Any]]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            replies.put(json.loads(line))
    replies.put({"failed": "the measuring process ended; what it said stands above"})


def check(
    worker: Worker, rows: Sequence[Row], *, seconds: float, dry_run: bool, on_result: Callable[[Result], None]
) -> list[Result]:
    """One result a row, each handed on as soon as it is there; in all no longer than `seconds`."""
    end = time.monotonic() + seconds
    results = []
    for row in rows:
        results.append(_measure(worker, row, end, dry_run=dry_run))
        on_result(results[-1])
    return results


def _measure(worker: Worker, row: Row, end: float, *, dry_run: bool) -> Result:
    began = time.monotonic()
    result = Result(row.id, row.promised, "ran")
    if began >= end:
        result.state, result.reason = "no time left", "the rows before it took all of it"
        return result
    limit = min(row.seconds, end - began)
    try:
        answer = worker.ask(row.id, began + limit)
    except TimeoutError:
        answer = {"out of time": f"not done after {limit:.0f} s"}
    result.seconds = round(time.monotonic() - began, 1)
    found = answer.get("row")
    if found is None:
        state, result.reason = next(iter(answer.items()))
        result.state = state.replace("_", " ")
        return result
    result.figure, result.unit, result.details = found["ours"], found["unit"], found
    result.reason = found.get("no_peer") or found.get("note") or ""
    if row.exact or not dry_run:
        result.kept = row.kept(found)
    return result


def exit_code(results: Sequence[Result]) -> int:
    """What cannot be had on this machine breaks no promise."""
    if any(result.state not in ("ran", "not here") for result in results):
        return INCOMPLETE
    return BROKEN if any(result.kept is False for result in results) else KEPT


def table(results: Sequence[Result]) -> str:
    """Lines of columns, for a machine that has nothing to draw a table with."""
    kept = {True: "yes", False: "NO", None: "-"}
    lines = [("row", "figure", "promised", "kept", "seconds", "")]
    for one in results:
        figure = "-" if one.figure is None else f"{one.figure:,}"
        told = "; ".join(filter(None, ("" if one.state == "ran" else one.state, one.reason.strip()[-160:], one.unit)))
        lines.append((one.id, figure, one.promised, kept[one.kept], f"{one.seconds}", told))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)) for line in lines
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/gpu_check.sh", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="a tiny shape on the CPU")
    parser.add_argument(
        "--only", default="", help=f"rows, such as resume,P2; all are {', '.join(row.id for row in ROWS)}"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all rows (default {MINUTES:g})")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"), help="the JSON file (default %(default)s)")
    arguments = parser.parse_args()
    chosen = [name for name in arguments.only.split(",") if name] or [row.id for row in ROWS]
    if unknown := set(chosen) - {row.id for row in ROWS}:
        parser.error(f"unknown row {', '.join(sorted(unknown))}; known are {', '.join(row.id for row in ROWS)}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INCOMPLETE))
    began = time.time()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="realm-gpu-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "scripts.bench.gpu_worker", folder]
        worker = Worker([*command, "--dry-run"] if arguments.dry_run else command)

        def keep(result: Result) -> None:
            """After each row, so that a check that is cut off leaves what it has found."""
            results.append(result)
            print(f"{result.id}: {result.state} {result.reason}".strip(), file=sys.stderr, flush=True)
            document = {"began": began, "seconds": round(time.time() - began, 1), "dry_run": arguments.dry_run}
            document |= worker.told | {"rows": [asdict(one) for one in results]}
            arguments.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

        try:
            rows = [row for row in ROWS if row.id in chosen]
            check(worker, rows, seconds=60 * arguments.minutes, dry_run=arguments.dry_run, on_result=keep)
        finally:
            worker.end()
    print(table(results))
    return exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
