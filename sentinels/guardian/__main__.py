"""`python -m sentinels.guardian`: watches the services of the world in `REALM_HOME` until SIGTERM or Ctrl+C."""

from __future__ import annotations

import logging
import os
import signal
import sys

from realm import config
from realm.disk import locks
from realm.logs import configuration
from realm.strict import BadConfig
from realm.weaver import service_lock
from realm.weaver.services import GUARDIAN, services
from realm.world import World
from sentinels.guardian.guardian import Guardian
from sentinels.guardian.weaver import WeaverCare

log = logging.getLogger("sentinels.guardian")

LOCK_FILE = "guardian.lock"


def main() -> int:
    world = World.from_environment()
    configuration.start(world, GUARDIAN)
    # One that is started by hand looks at what runs, and starts no world that rests.
    is_supervised = os.environ.get(service_lock.RUN_BY_VARIABLE) == service_lock.WEAVER
    try:
        with locks.only_one(world.control / LOCK_FILE):
            guardian = Guardian(
                world,
                services(config.load(world), world),
                weaver=WeaverCare(world) if is_supervised else None,
                give_up=lambda name: _stop(world, name),
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: guardian.stop())
            log.info("the guardian of %s begins", world.home, extra={"event": configuration.STARTED})
            guardian.run()
    except locks.Taken as pid:
        log.error("%s is guarded already, by %s", world.home, service_lock.in_words(str(pid)))
        return 1
    except (BadConfig, OSError) as error:
        log.error("%s", error, extra={"event": "cannot_start"})
        return 1
    return 0


def _stop(world: World, name: str) -> None:
    """supervisord tries no more."""
    from realm.weaver import WeaverError  # with what talks to supervisord, which is needed on few days
    from realm.weaver.supervisord import Loom

    try:
        Loom(world, seconds=2.0).stop(name)
    except (OSError, WeaverError) as error:
        log.warning("%s cannot be stopped: %s", name, error)


if __name__ == "__main__":
    sys.exit(main())
