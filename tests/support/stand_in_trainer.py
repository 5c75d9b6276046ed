"""A trainer process that trains nothing: it beats, obeys, and meets its end as its quest is called.

Run by tests in place of `python -m arena.training --serve`. `killer…` ends the process in mid-battle, any other quest
is completed. With the argument `stillborn` it ends before it waits for its first order.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from arena.protocol import BEAT_LINE, EVENTS_FILE, READY_LINE, Event, EventKind, Order
from realm.disk import durable


def main() -> None:
    if "stillborn" in sys.argv:
        print("no memory is left", file=sys.stderr, flush=True)
        os._exit(1)
    threading.Thread(target=_beat, daemon=True).start()
    _reply(READY_LINE)
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        if verb == "run":
            _fight(Order.read(Path(argument)))
            _reply(READY_LINE)


def _reply(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _beat() -> None:
    while True:
        _reply(f"{BEAT_LINE} 0.0")
        time.sleep(0.1)


def _fight(order: Order) -> None:
    folder = Path(order.battle_folder)
    _say(folder, EventKind.BATTLE_STARTED, first_step=0, total_steps=1, refused=0)
    if order.quest.startswith("killer"):
        print(f"{order.quest} strikes", file=sys.stderr, flush=True)
        os._exit(7)
    _say(folder, EventKind.BATTLE_COMPLETED, quest=order.quest)


def _say(folder: Path, kind: EventKind, **data: object) -> None:
    path = folder / EVENTS_FILE
    seq = 1 + (path.read_bytes().count(b"\n") if path.exists() else 0)
    event = Event(seq=seq, time=time.time(), kind=kind, step=0, message=str(kind), data=data)
    durable.append_line(path, event.to_line())


if __name__ == "__main__":
    main()
