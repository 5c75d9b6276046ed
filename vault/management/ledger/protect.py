"""`manage.py ledger protect|unprotect`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

from realm.management.as_json import write_json
from vault.management.ledger.choosing import BY, add_checkpoint, add_common, named
from vault.treasury import marks


def add(verbs: Any) -> None:
    protecting = verbs.add_parser("protect", help="nothing and nobody deletes it from then on")
    add_checkpoint(protecting)
    protecting.add_argument("--note", default="", help="why, in a line")
    protecting.add_argument(
        "--weights-only", action="store_true", help="its moments may make room: it stays to be asked, not to go on from"
    )
    add_common(protecting)
    protecting.set_defaults(do=protect)
    releasing = verbs.add_parser("unprotect", help="take the mark away")
    add_checkpoint(releasing)
    add_common(releasing)
    releasing.set_defaults(do=unprotect)


def protect(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    hero, name = named(options)
    mark = marks.protect(
        settings.WORLD, hero, name, by=BY, note=options["note"], resume_point=not options["weights_only"]
    )
    if options["json"]:
        write_json(stdout, {"hero": hero, "name": name, "protected": True, "mark": mark})
    else:
        stdout.write(f"{name} is protected: neither rules nor people delete it.")


def unprotect(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    hero, name = named(options)
    marks.unprotect(settings.WORLD, hero, name, by=BY)
    if options["json"]:
        write_json(stdout, {"hero": hero, "name": name, "protected": False})
    else:
        stdout.write(f"{name} is no longer protected.")
