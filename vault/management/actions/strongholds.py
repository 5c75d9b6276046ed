"""`manage.py vault strongholds [list|add|remove]`."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.config import parse_pairs
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from vault.models import Location
from vault.strongholds.registry import StorageRegistry, StrongholdType

_SECRET = re.compile(r"^key$|secret|passw|passphrase|token", re.IGNORECASE)
"""In names of options."""


def add(actions: Any) -> None:
    parser = actions.add_parser("strongholds", help="where copies may lie, as strongholds.yaml of the world says")
    add_json(parser)
    parser.set_defaults(do=perform, what="list")
    whats = parser.add_subparsers(dest="what")
    add_json(whats.add_parser("list", help="name, kind and place of each"))
    new = whats.add_parser("add", help="name one more")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--type", choices=[*StrongholdType], help="(default: as --url or --path lets one expect)")
    new.add_argument("--host", default="", help="of a NAS, to be read by people; of a zone its id in hosts.yaml")
    new.add_argument("--path", default="", help="the folder here, of a mounted NAS or another disk")
    new.add_argument("--url", default="", help="such as s3://bucket/folder, ssh://host/folder, webdav://host/folder")
    new.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="for the URL's file system")
    new.add_argument("--secret-file", default="", metavar="NAME", help="in the world's secrets/: keys, as YAML")
    new.add_argument("--timeout", type=float, default=0, metavar="SECONDS", help="after which silence is given up")
    add_json(new)
    gone = whats.add_parser("remove", help="forget one; what lies there stays")
    gone.add_argument("name", metavar="NAME")
    add_json(gone)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    registry = StorageRegistry(settings.WORLD.home)
    try:
        match options["what"]:
            case "add":
                _add(registry, options)
            case "remove":
                registry.remove(options["name"])
        _list(stdout, registry, options)
    except BadConfig as error:
        raise CommandError(str(error)) from error


def _add(registry: StorageRegistry, options: dict[str, Any]) -> None:
    given = parse_pairs(options["option"])
    if secret := next((key for key in given if _SECRET.search(key)), None):
        raise CommandError(
            f"{secret}: everybody on this machine can read a command line. Put it into a YAML file in "
            f"{settings.WORLD.secrets}, and name that by --secret-file"
        )
    kind = options["type"] or (StrongholdType.URL if options["url"] else StrongholdType.NAS)
    registry.register_stronghold(
        name=options["name"],
        stronghold_type=kind,
        host=options["host"],
        path=options["path"],
        url=options["url"],
        options=given,
        secret_file=options["secret_file"],
        timeout_seconds=options["timeout"],
    )


def _list(stdout: OutputWrapper, registry: StorageRegistry, options: dict[str, Any]) -> None:
    known = registry.list()
    copies = {name: Location.objects.filter(stronghold=name).count() for name in known}
    if options["json"]:
        write_json(stdout, {name: asdict(entry) | {"copies": copies[name]} for name, entry in known.items()})
        return
    for name, entry in known.items():
        place = entry.path or entry.url or entry.host
        stdout.write(f"{name:<16}{entry.type:<7}{copies[name]:>7} copies  {place}{_note(entry.unusable)}")
    if not known:
        stdout.write("no stronghold yet: `manage.py vault strongholds add NAME --path FOLDER`")


def _note(unusable: str) -> str:
    return f"  ({unusable})" if unusable else ""
