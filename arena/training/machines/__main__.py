"""`python -m arena.training.machines ADDRESS --name NAME`: joins the battles of the machine at that address."""

from __future__ import annotations

import argparse
import signal
import sys

from arena.protocol import ExitCode
from arena.training.machines import alike
from arena.training.machines.joining import Node
from arena.training.machines.ties import key_of
from realm import node_address
from realm.logs import configuration
from realm.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="manage.py node", description=__doc__)
    parser.add_argument("address", help="ADDRESS:PORT, which is node_address there")
    parser.add_argument("--name", required=True, help="of this machine, as in training.nodes")
    given = parser.parse_args()
    world = World.from_environment()
    configuration.start(world, f"node-{given.name}")
    try:
        address, key = node_address.parse(given.address), key_of(world)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return ExitCode.SYSTEM
    node = Node(world, address, given.name, key=key, alike=alike.own())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: node.over.set())
    node.serve()
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
