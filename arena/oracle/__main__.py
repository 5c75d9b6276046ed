"""`python -m arena.oracle`: the inference host of the world in `REALM_HOME`; of it, it needs `models/` alone."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from arena.oracle import server
from arena.recipe import Recipe
from realm import config
from realm.logs import configuration
from realm.processes.held import end_with_input
from realm.strict import BadConfig
from realm.weaver.services import ORACLE
from realm.web.serve import CannotServe
from realm.web.tokens import BadTokens
from realm.world import World

log = logging.getLogger("arena.oracle")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m arena.oracle", description=__doc__)
    parser.add_argument("--port", type=int, help="default: the world's setting oracle_port")
    parser.add_argument("--bind", "--address", help="default: the world's setting oracle_bind; else with tokens alone")
    parser.add_argument("--held", action="store_true", help="end with standard input: whoever started it is gone")
    arguments = parser.parse_args()
    if arguments.held:
        end_with_input()
    # Read by OpenMP when torch loads: threads that spin while they wait take the cores from the trainer's.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    world = World.from_environment()
    configuration.start(world, ORACLE)
    try:
        settings = config.load(world, recipe=Recipe)
        port = settings.oracle_port if arguments.port is None else arguments.port
        if not 1 <= port <= 65535:
            parser.error(f"--port: {port} is no port; allowed are 1 to 65535")
        server.run(world, settings, address=arguments.bind or settings.oracle_bind, port=port)
    except (BadConfig, BadTokens, CannotServe) as error:
        log.error("%s", error, extra={"event": "cannot_start"})
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
