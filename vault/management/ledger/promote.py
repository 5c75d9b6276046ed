"""`manage.py ledger promote|unpin`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

from realm.management.as_json import write_json
from vault.management.ledger.choosing import BY, add_checkpoint, add_common, ledger_of, named
from vault.treasury import champion


def add(verbs: Any) -> None:
    promoting = verbs.add_parser("promote", help="make it the champion until it is unpinned, and load it to be asked")
    add_checkpoint(promoting)
    add_common(promoting)
    promoting.set_defaults(do=promote)
    releasing = verbs.add_parser("unpin", help="let the best one be the champion again")
    add_common(releasing)
    releasing.set_defaults(do=unpin)


def promote(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    hero, name = named(options)
    promotion = champion.promote(settings.WORLD, hero, name, by=BY)
    if options["json"]:
        write_json(stdout, promotion)
    else:
        stdout.write(promotion.message)


def unpin(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    hero = ledger_of(options).hero
    name = champion.unpin(settings.WORLD, hero, by=BY)
    if options["json"]:
        write_json(stdout, {"hero": hero, "unpinned": name})
    else:
        stdout.write(f"{name} is no longer pinned: the best one by champion_metric is the champion again.")
