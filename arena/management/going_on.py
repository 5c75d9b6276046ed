"""`manage.py ledger go-on-from`: the verb of the ledger that the arena obeys."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from arena import branch_orders
from arena import status as arena_status
from arena.branch_orders import CannotGoOn
from vault.management.ledger.choosing import BY, ledger_of


def add(verbs: Any) -> None:
    parser = verbs.add_parser("go-on-from", help="let the hero go on from there; other branches stay as they are")
    parser.add_argument("checkpoint", help="a checkpoint's name or step, or base: the base model")
    parser.add_argument("--hero", help="default: the active one")
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    try:
        order = branch_orders.send(settings.WORLD, hero=ledger_of(options).hero, wish=options["checkpoint"], by=BY)
    except CannotGoOn as why:
        raise CommandError(str(why)) from why
    stdout.write(branch_orders.promise(order))
    if not arena_status.daemon_alive(settings.WORLD):
        stdout.write("The arena is not running; it will obey when it starts.")
