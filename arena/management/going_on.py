"""`manage.py ledger go-on-from`: the verb of the ledger that the arena obeys."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from arena import branch_orders
from arena import status as arena_status
from arena.branch_orders import CannotGoOn
from realm.management.as_json import add_json, write_json
from vault.management.ledger.choosing import BY, ledger_of


def add(verbs: Any) -> None:
    parser = verbs.add_parser("go-on-from", help="let the hero go on from there; other branches stay as they are")
    parser.add_argument("checkpoint", help="a checkpoint's name or step, or base: the base model")
    parser.add_argument("--hero", help="default: the active one")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    try:
        order = branch_orders.send(settings.WORLD, hero=ledger_of(options).hero, wish=options["checkpoint"], by=BY)
    except CannotGoOn as why:
        raise CommandError(str(why)) from why
    is_running = arena_status.daemon_alive(settings.WORLD)
    if options["json"]:
        write_json(stdout, {"asked": "go on", "said": branch_orders.promise(order), "arena_is_running": is_running})
        return
    stdout.write(branch_orders.promise(order))
    if not is_running:
        stdout.write("The arena is not running; it will obey when it starts.")
