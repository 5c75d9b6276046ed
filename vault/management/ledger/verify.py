"""`manage.py ledger verify`: ends with 1 where anything is damaged, and names it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from realm.checkpoints.names import checkpoint_folders
from realm.management.as_json import write_json
from vault.ledger.folders import folder_of
from vault.ledger.local import Ledger
from vault.ledger.verifying import Verified, verify
from vault.management.ledger.choosing import BY, add_common, ledger_of


def add(verbs: Any) -> None:
    parser = verbs.add_parser("verify", help="read every byte of checkpoints and compare it with their sidecars")
    parser.add_argument("checkpoint", nargs="?", help="its name, or its step, which means the active branch")
    parser.add_argument("--all", action="store_true", help="every checkpoint of the hero, listed or not")
    parser.add_argument("--quick", action="store_true", help="compare names and sizes only")
    add_common(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    ledger = ledger_of(options)
    found: list[Verified] = []
    for name in _names(ledger, options):
        found.append(verify(ledger.world, ledger.hero, name, quick=options["quick"], by=BY))
        if not options["json"]:
            stdout.write(str(found[-1]))
    if options["json"]:
        write_json(stdout, [asdict(one) | {"whole": one.whole} for one in found])
    damaged = [one.name for one in found if not one.whole]
    if damaged:
        raise CommandError(f"damaged: {len(damaged)} of {len(found)} ({', '.join(damaged[:5])})")


def _names(ledger: Ledger, options: dict[str, Any]) -> list[str]:
    named, folder = options["checkpoint"], ledger.world.heroes / ledger.hero
    if bool(named) == options["all"]:
        raise CommandError("name a checkpoint, or give --all")
    if options["all"]:
        return [path.name for path in checkpoint_folders(folder)] if folder.is_dir() else []
    entry = ledger.find(named)
    # A damaged one is not listed, and is still to be looked at.
    return [entry.canonical_name if entry else folder_of(ledger.world, ledger.hero, named).name]
