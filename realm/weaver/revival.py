"""`python -m realm.weaver.revival`: brings a supervisord back that was killed, and with it what it had run.

The guardian's, in a process of its own: it needs much that a guardian which only looks does not.
"""

from __future__ import annotations

import sys

from realm import config
from realm.strict import BadConfig
from realm.weaver import WeaverError, kept_down, verbs
from realm.weaver.services import services
from realm.world import World


def main() -> None:
    world = World.from_environment()
    try:
        settings = config.load(world)
        revived = verbs.revive(world, settings)
        if revived.anew:
            down = kept_down.read(world)
            for service in services(settings, world):
                if service.name not in down:
                    revived.running.start(service.name)
    except (WeaverError, BadConfig, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
