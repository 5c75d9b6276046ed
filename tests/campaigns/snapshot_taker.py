"""Takes snapshots of a world at given numbers of steps: `python -m tests.campaigns.snapshot_taker STEPS…`."""

from __future__ import annotations

import json
import sys
import time

from realm.standalone import ensure_django
from tests.campaigns.storm import steps_done

LONGEST_WAIT_SECONDS = 600.0


def main(instants: list[int]) -> None:
    ensure_django()
    from django.conf import settings

    from vault.archivist import snapshots

    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    for number, instant in enumerate(instants):
        while (done := steps_done(settings.WORLD)) < instant and time.monotonic() < deadline:
            time.sleep(0.002)
        taken = snapshots.take(settings.WORLD, reason=f"h1-{number}", by="campaign")
        print(json.dumps({"name": taken.name, "asked": done, "done": steps_done(settings.WORLD)}), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
