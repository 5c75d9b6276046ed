"""Measures one GPU row after the other, each asked for by a line of standard input; see gpu_check.py.

First it says what the machine is, then of each row what it gave, or why there is none: one JSON object a line. With its
standard input it ends, and so do the trainers that it started.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import Any

# As the trainer sets them; read when torch loads.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from arena.training.service import take_over_standard_output
from scripts.bench import runs
from scripts.bench.__main__ import GPU_ROWS
from scripts.bench.gpu import Bench, NotHere

PACKAGES = ("torch", "transformers", "peft", "accelerate", "safetensors", "numpy", "trl", "flash-attn")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.gpu_worker", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="a tiny shape on the CPU, battles in this process")
    arguments = parser.parse_args()
    replies = take_over_standard_output()
    asked: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(asked,), daemon=True).start()

    shape, device = ("tiny", "cpu") if arguments.dry_run else ("qwen3-0.6b", "cuda")
    bench = Bench(arguments.folder, shape, device, repeats=1, quick=True, in_this_process=arguments.dry_run)
    print(json.dumps({"machine": machine(), "versions": runs.versions(*PACKAGES)}), file=replies, flush=True)
    while True:
        print(json.dumps(measured(bench, asked.get())), file=replies, flush=True)


def _read(asked: SimpleQueue[str]) -> None:
    """The end of input means that nobody waits any more; this process leads the group of all that it started."""
    for line in sys.stdin:
        asked.put(line.strip())
    os.killpg(os.getpgrp(), signal.SIGKILL)


def measured(bench: Bench, name: str) -> dict[str, Any]:
    try:
        return {"row": getattr(bench, GPU_ROWS[name])()}
    except NotHere as error:
        return {"not_here": str(error)}
    except Exception as error:  # whatever it is, other rows are still worth measuring
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}
    finally:
        if bench.device == "cuda":
            torch.cuda.empty_cache()


def machine() -> dict[str, Any]:
    """What figures depend on."""
    told: dict[str, Any] = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    if not torch.cuda.is_available():
        return told | {"cuda": None}
    cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return told | {
        "cuda": torch.version.cuda,
        "driver": _driver(),
        "cards": [
            {"name": card.name, "memory_bytes": card.total_memory, "capability": f"{card.major}.{card.minor}"}
            for card in cards
        ],
    }


def _driver() -> str | None:
    """None where the driver's own program is not there to tell."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told[0] if told else None


if __name__ == "__main__":
    main()
