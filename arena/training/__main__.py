"""`python -m arena.training`: run one order, or serve orders from standard input with the hero kept warm.

`python -m arena.training merge CHECKPOINT OUT` writes a checkpoint as a model folder that transformers loads.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from arena.hero.__main__ import add_merge, run
from arena.protocol import Event, ExitCode, Order
from realm.logs import configuration
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
    commands = parser.add_subparsers(dest="command")
    add_merge(commands)
    arguments = parser.parse_args()
    if sum(map(bool, (arguments.order, arguments.serve, arguments.command))) != 1:
        parser.error("one of --order, --serve and merge is required")
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

    configuration.start(World.from_environment(), "trainer", heard=True)
    # Imported late: torch takes seconds, --help and a wrong argument should not.
    from arena.training.control import Control, Request
    from arena.training.ranks import join, leave
    from arena.training.service import Service, run_order, take_over_standard_output

    if arguments.serve:
        return Service(sys.stdin, take_over_standard_output()).serve()

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
    finally:
        leave()
    return ExitCode.OK if ended_well else ExitCode.BATTLE_FAILED


if __name__ == "__main__":
    sys.exit(main())
