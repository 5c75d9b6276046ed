"""`python -m arena.training.launch --processes 2`: torchrun's agent over trainers that train one hero together.

The agent starts the ranks, ends all of them when one fails, and never starts them again: who started it counts deaths.
Standard input and output are rank 0's. Its exit code is that of the rank which failed first; which one that was is the
last line on standard error.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

from arena.protocol import ExitCode
from realm.logs import configuration
from realm.processes.launcher import FSDP2, PARENT
from realm.world import World

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

log = logging.getLogger("arena.training")

LOOK_SECONDS = 0.1
LEAVE_SECONDS = 45
"""For ranks that are asked to end, and save before they do; then they are killed. The daemon waits longer."""
TOLD = (ExitCode.SHORT_OF_MEMORY, ExitCode.SYSTEM, ExitCode.ANOTHER_TRAINER, ExitCode.BAD_ORDER)
"""Exit codes that say more than that a rank failed. Others that failed by losing it have nothing to say."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m arena.training.launch", description=__doc__)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--strategy", choices=("ddp", "fsdp2"), default="ddp")
    given = parser.parse_args()
    configuration.start(World.from_environment(), "trainer", heard=True)
    os.environ.update(_environment(given.strategy, given.processes))
    return _launch(given.processes)


def _environment(strategy: str, processes: int) -> dict[str, str]:
    """What every rank finds: how it shards, its part of the cores, and whose death is its own."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // processes))
    sharded = FSDP2 if strategy == "fsdp2" else {}
    return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads), PARENT: str(os.getpid())} | sharded


def _launch(processes: int) -> int:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):  # it tells at length what the last line says
            logging.getLogger(name).setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",  # a free port
        local_addr="127.0.0.1",
        run_id="realm",
        max_restarts=0,
        monitor_interval=LOOK_SECONDS,
        shutdown_timeout=LEAVE_SECONDS,
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # files would outlive a launcher that is killed
    )
    try:
        elastic_launch(config, sys.executable)("-m", "arena.training", "--serve")
    except SignalException:  # asked to end: every rank has left, or was made to
        return ExitCode.OK
    except ChildFailedError as error:
        return _told(error, processes)
    return ExitCode.OK


def _told(error: ChildFailedError, processes: int) -> int:
    """The exit code; what it does not say is said."""
    codes = {failure.exitcode for failure in error.failures.values()}
    told = next((code for code in TOLD if code in codes), None)
    if told is not None:
        return told
    rank, first = error.get_first_failure()
    how = f"by signal {-first.exitcode}" if first.exitcode < 0 else f"with exit code {first.exitcode}"
    log.error("rank %d of %d ended %s", rank, processes, how)
    return 1


if __name__ == "__main__":
    sys.exit(main())
