"""`python -m arena.training`: run one order, or serve orders from standard input with the hero kept warm.

`python -m arena.training merge CHECKPOINT OUT` writes a checkpoint as a model folder that transformers loads.
`python -m arena.training --replay ORDER --step N` trains one step of a battle again, in a scratch folder, and prints
what it was as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path

from arena.hero.__main__ import add_merge, run
from arena.protocol import Event, ExitCode, Order
from realm.logs import configuration
from realm.processes.launcher import PARENT
from realm.processes.parent_death import die_with
from realm.world import World

log = logging.getLogger("arena.training")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m arena.training", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--order", type=Path, help="order.json of one battle; run it, print its events, leave")
    choice.add_argument(
        "--serve",
        action="store_true",
        help="read `run ORDER_PATH`, `pause` and `stop` as lines of standard input; its end means save and leave",
    )
    choice.add_argument(
        "--replay", type=Path, metavar="ORDER", help="order.json of a battle, of which one step is done"
    )
    again = parser.add_argument_group("with --replay")
    again.add_argument("--step", type=int, metavar="N", help="of the hero's life")
    again.add_argument("--quest-file", type=Path, help="where the quest lies by now")
    again.add_argument("--tensor", metavar="NAME", help="also the values of this tensor before and after")
    again.add_argument("--row", type=int, help="of that tensor")
    commands = parser.add_subparsers(dest="command")
    add_merge(commands)
    arguments = parser.parse_args()
    if sum(map(bool, (arguments.order, arguments.serve, arguments.replay, arguments.command))) != 1:
        parser.error("one of --order, --serve, --replay and merge is required")
    if (arguments.step is None) == bool(arguments.replay):
        parser.error("--replay takes --step N, and nothing else does")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    if arguments.command:
        return run(arguments)

    # Read by OpenMP when torch loads. By default a thread that waits for another spins for milliseconds; with a second
    # program on the same two cores a step then took 8 times as long as with threads that soon go to sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Read by cuBLAS: without it the same product may be added up otherwise the next time.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    if arguments.replay:  # nothing of the world is changed, its logs neither
        return replay_step(arguments)
    if PARENT in os.environ:
        die_with(int(os.environ[PARENT]))
    configuration.start(World.from_environment(), "trainer", heard=True)
    # Imported late: torch takes seconds, --help and a wrong argument should not.
    from arena.training.control import Control, Request
    from arena.training.ranks import join, leave
    from arena.training.service import run_order, serve
    from arena.training.shortage import ShortOfMemory

    if arguments.serve:
        return serve()

    # One order, told on standard output; a signal lets it save and leave.
    control = Control()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: control.request(Request.SHUTDOWN))

    def show(event: Event) -> None:
        print(f"{event.kind} step {event.step}: {event.message}", flush=True)

    try:
        order = Order.read(arguments.order)
    except (OSError, ValueError) as error:
        log.error("%s: not an order: %s", arguments.order, error)
        return ExitCode.BAD_ORDER
    ranks = join()
    try:
        ended_well = run_order(order, control, None, show, ranks=ranks) is not None
    except ShortOfMemory as error:
        log.error("%s; run the order again, and it goes on with smaller micro-batches", error)
        os._exit(ExitCode.SHORT_OF_MEMORY)  # at once, since the others wait for this one
    finally:
        leave()
    return ExitCode.OK if ended_well else ExitCode.BATTLE_FAILED


def replay_step(arguments: argparse.Namespace) -> int:
    """One JSON document on standard output, or a sentence on standard error."""
    from arena.training.replay import CannotReplay, replay
    from arena.training.service import HERO_FAULTS, QUEST_FAULTS, take_over_standard_output

    replies = take_over_standard_output()
    try:
        order = Order.read(arguments.replay)
        if arguments.quest_file:
            order = replace(order, quest_file=str(arguments.quest_file))
        found = replay(order, arguments.step, tensor=arguments.tensor, row=arguments.row)
    except (CannotReplay, OSError, ValueError, *QUEST_FAULTS, *HERO_FAULTS) as error:
        print(error, file=sys.stderr)
        return ExitCode.BATTLE_FAILED
    print(json.dumps(asdict(found)), file=replies, flush=True)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
