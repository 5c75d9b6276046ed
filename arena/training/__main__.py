"""`python -m arena.training`: run one order, or serve orders from standard input with the hero kept warm."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from arena.protocol import Event, EventKind, ExitCode, Order


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m arena.training", description=__doc__)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--order", type=Path, help="order.json of one battle; run it, print its events, leave")
    choice.add_argument(
        "--serve",
        action="store_true",
        help="read `run ORDER_PATH`, `pause` and `stop` as lines of standard input; its end means save and leave",
    )
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    # Read by OpenMP when torch loads. By default a thread that waits for another spins for milliseconds; with a second
    # program on the same two cores a step then took 8 times as long as with threads that soon go to sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Imported late: torch takes seconds, --help and a wrong argument should not.
    from arena.training.control import Asked, Control
    from arena.training.service import Service, run_order, take_over_standard_output

    if arguments.serve:
        return Service(sys.stdin, take_over_standard_output()).serve()
    control = Control()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: control.ask(Asked.SHUTDOWN))
    said: list[Event] = []

    def show(event: Event) -> None:
        said.append(event)
        print(f"{event.kind} step {event.step}: {event.message}", flush=True)

    run_order(Order.read(arguments.order), control, None, show)
    return ExitCode.BATTLE_FAILED if said and said[-1].kind == EventKind.BATTLE_FAILED else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
