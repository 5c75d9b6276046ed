"""`python -m arena.training.launch --processes 2`: torchrun's agent over trainers that train one hero together.

The agent starts the ranks, ends all of them when one fails, and never starts them again: who started it counts deaths.
With `--nodes` it first waits for other machines, on each of which `manage.py node` starts the same over as many ranks.
Standard input and output are rank 0's. Its exit code is that of the rank which failed first; which one that was is the
last line on standard error.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from arena.protocol import MISSING_LINE, STARTING_LINE, ExitCode
from arena.training.machines.ties import SILENT_SECONDS
from realm import node_address
from realm.logs import configuration
from realm.processes.launcher import FSDP2, PARENT
from realm.processes.parent_death import die_with
from realm.world import World

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    from arena.training.machines.meeting import Meeting

log = logging.getLogger("arena.training")

LOOK_SECONDS = 0.1
LEAVE_SECONDS = 45
"""For ranks that are asked to end, and save before they do; then they are killed. The daemon waits longer."""
MEET_SECONDS = 60
"""For the launchers of machines that have joined to come to one store."""
UNTOLD_SECONDS = 8.0
"""Machines that were there a moment ago come back by themselves."""
SAY_AGAIN_SECONDS = 5.0
TOLD = (ExitCode.SHORT_OF_MEMORY, ExitCode.SYSTEM, ExitCode.ANOTHER_TRAINER, ExitCode.BAD_ORDER)
"""Exit codes that say more than that a rank failed. Others that failed by losing it have nothing to say."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m arena.training.launch", description=__doc__)
    parser.add_argument("--processes", type=int, required=True, help="on each machine")
    parser.add_argument("--strategy", choices=("ddp", "fsdp2"), default="ddp")
    first = parser.add_argument_group("on the first of several machines")
    first.add_argument("--nodes", nargs="+", default=[], metavar="NAME", help="of the others, which it waits for")
    first.add_argument("--address", default="", help="where they join")
    other = parser.add_argument_group("on any other, as manage.py node starts it")
    other.add_argument("--node-rank", type=int, default=0)
    other.add_argument("--nodes-in-all", type=int, default=1)
    other.add_argument("--store", help="HOST,PORT of the first machine's store")
    other.add_argument("--own-address")
    other.add_argument("--parent", type=int, help="the node, whose death is its own")
    given = parser.parse_args()
    configuration.start(World.from_environment(), "trainer", heard=True)
    os.environ.update(_environment(given.strategy, given.processes))
    if given.nodes:
        return _lead(given)
    if given.store:
        die_with(given.parent)
        host, _, port = given.store.partition(",")
        os.environ.update(interface_of(given.own_address))
        place = Place(rank=given.node_rank, count=given.nodes_in_all, store=f"{host}:{port}", own=given.own_address)
        return _launch(given.processes, place)
    return _launch(given.processes, Place())


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which of how many machines this is, and where their store is; by itself it is alone."""

    rank: int = 0
    count: int = 1
    store: str = "127.0.0.1:0"
    """HOST:PORT; port 0 is any that is free."""
    own: str = "127.0.0.1"
    """Address of this machine."""


def _environment(strategy: str, processes: int) -> dict[str, str]:
    """What every rank finds: how it shards, its part of the cores, and whose death is its own."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // processes))
    sharded = FSDP2 if strategy == "fsdp2" else {}
    named = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads), PARENT: str(os.getpid())}
    # c10d writes the frames of its C++ code wherever a peer has ended, over the lines that say which and how.
    return {"TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR")} | named | sharded


def _lead(given: argparse.Namespace) -> int:
    """Wait for the other machines, and end where one of them is lost: its ranks would be waited for without end."""
    from arena.training.machines import alike
    from arena.training.machines.meeting import Meeting
    from arena.training.machines.ties import key_of

    try:
        address = node_address.parse(given.address)
        teller = Teller()
        meeting = Meeting.of(
            address, given.nodes, key=key_of(World.from_environment()), alike=alike.own(), waits_for=teller.waits_for,
            is_over=lambda: teller.is_unheard,
        )  # fmt: skip
    except ValueError as error:
        log.error("%s", error)
        return ExitCode.SYSTEM
    except OSError as error:
        log.error("node_address: %s cannot be listened at: %s", given.address, error.strerror)
        return ExitCode.SYSTEM
    if meeting is None:
        return ExitCode.OK
    os.environ.update(interface_of(address[0]))
    port = _free_port(address[0])
    meeting.begin(port=port, processes=given.processes, strategy=given.strategy)
    teller.say(STARTING_LINE)
    threading.Thread(target=meeting.watch, args=(_end_at_once,), daemon=True).start()
    place = Place(count=1 + len(given.nodes), store=f"{address[0]}:{port}", own=address[0])
    code = _launch(given.processes, place)
    return _judge(code, meeting) if code == 1 else code


def _judge(code: int, meeting: Meeting) -> int:
    """Ranks that lose another machine fail before it is known to be lost; those of that one may have failed first."""
    deadline = time.monotonic() + SILENT_SECONDS + 2
    while not meeting.failed and time.monotonic() < deadline:
        if lost := meeting.lost():
            log.error("%s", lost)
            return ExitCode.MACHINE_LOST
        time.sleep(LOOK_SECONDS)
    for name, said in meeting.failed.items():
        log.error("on the machine %s it %s", name, str(said["failed"])[:200])
        if said.get("code") in TOLD:
            return int(said["code"])
    return code


def _end_at_once(lost: str) -> None:
    """Ranks that wait for a machine which is gone neither save nor leave; what they did since the last save is lost."""
    log.error("%s", lost)
    for child in psutil.Process().children():
        child.kill()
    os._exit(ExitCode.MACHINE_LOST)


class Teller:
    """Speaks to the daemon before rank 0 does, on the same output."""

    def __init__(self) -> None:
        self.is_unheard = False
        """The daemon is gone."""
        self._waited_for = ""
        self._begun_at = time.monotonic()
        self._said_at = -math.inf

    def waits_for(self, text: str) -> None:
        """Said when it changes, and again and again, so that it counts as a sign of life."""
        now = time.monotonic()
        if now - self._begun_at < UNTOLD_SECONDS:
            return
        if text != self._waited_for or (text and now - self._said_at >= SAY_AGAIN_SECONDS):
            self._waited_for, self._said_at = text, now
            self.say(f"{MISSING_LINE} {text}".rstrip())

    def say(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            self.is_unheard = True


def interface_of(address: str) -> dict[str, str]:
    """Variables that tell gloo and NCCL which network the machines share: they guess, and not always well."""
    for name, own in psutil.net_if_addrs().items():
        if any(each.address == address for each in own):
            return {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name}
    return {}


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _launch(processes: int, place: Place) -> int:
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):  # it tells at length what the last line says
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # Of several machines each knows its rank, so that torch's own search for each other is not needed: what that
    # writes into the store is read by pickle.
    found = {"rdzv_backend": "static", "rdzv_configs": {"rank": place.rank, "timeout": MEET_SECONDS}}
    config = LaunchConfig(
        min_nodes=place.count,
        max_nodes=place.count,
        nproc_per_node=processes,
        **({"rdzv_backend": "c10d"} if place.count == 1 else found),
        rdzv_endpoint=place.store,
        local_addr=place.own,
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
        return _told(error, processes * place.count)
    except DistError as error:  # a machine that had joined does not come to the store
        log.error("the machines did not find each other: %s", str(error).splitlines()[0])
        return 1
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
