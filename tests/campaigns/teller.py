"""Tells of what happens, as the arena does: `python -m tests.campaigns.teller COUNT SECONDS`, one entry each SECONDS.

A process of its own, since campaigns set up no Django. Prints the number and the time of each entry as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import django


def main() -> None:
    count, seconds = int(sys.argv[1]), float(sys.argv[2])
    django.setup()
    from django.db import transaction

    from arena import chronicle
    from arena.models import ChronicleEntry
    from realm import bell

    for number in range(count):
        with transaction.atomic():
            chronicle.say("quest_arrived", f"A quest arrived: {number}")
            bell.ring_on_commit()
        said = ChronicleEntry.objects.latest("id")
        print(json.dumps([said.pk, time.time()]), flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main()
