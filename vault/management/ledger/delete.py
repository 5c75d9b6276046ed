"""`manage.py ledger delete|undo`."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import write_json
from vault.management.ledger.choosing import BY, add_common, named
from vault.sizes import size
from vault.treasury import safety, trash


def add(verbs: Any) -> None:
    deleting = verbs.add_parser("delete", help="put checkpoints into the trash, all or none; `undo` brings them back")
    deleting.add_argument("checkpoints", nargs="+", metavar="checkpoint", help="names, or steps of the active branch")
    deleting.add_argument("--yes", action="store_true", help="do not ask")
    add_common(deleting)
    deleting.set_defaults(do=delete)
    undoing = verbs.add_parser("undo", help="put back what was deleted, until the trash is emptied")
    undoing.add_argument("entry", help="as `manage.py treasury trash` lists it")
    add_common(undoing)
    undoing.set_defaults(do=undo)


def delete(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    world = settings.WORLD
    found = [named(options, wanted) for wanted in options["checkpoints"]]
    hero, names = found[0][0], [name for _, name in found]
    trash.check_deletable(world, hero, names, loaded=())
    if not options["yes"] and not options["json"] and sys.stdin.isatty():
        _ask(stdout, hero, names)
    deleted = trash.delete(world, hero, names, by=BY)
    if options["json"]:
        write_json(stdout, deleted)
        return
    stdout.write(f"{len(deleted.names)} deleted, {size(deleted.size_bytes)}: {', '.join(deleted.names)}")
    stdout.write(f"Until the trash is emptied: manage.py ledger undo {deleted.entry}")


def _ask(stdout: OutputWrapper, hero: str, names: list[str]) -> None:
    """Says what is lost. Raises CommandError where the answer is no."""
    told = safety.by_name(safety.reasons(settings.WORLD, hero, leaving=names))
    for name in names:
        folder = settings.WORLD.heroes / hero / name
        stdout.write("; ".join((f"{name}  {size(trash.size_of(folder))}", *told.get(name, ()))))
    if input("Delete them? They can be put back until the trash is emptied. [y/N] ").strip().lower() not in (
        "y",
        "yes",
    ):
        raise CommandError("nothing is deleted")


def undo(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    undone = trash.undo(settings.WORLD, options["entry"], by=BY)
    if options["json"]:
        write_json(stdout, undone)
        return
    stdout.write(f"{undone.hero} has again: {', '.join(undone.names)}")
    for sentence in undone.damaged:
        stdout.write(f"not listed: {sentence}")
