"""`manage.py vault zones [--refresh]`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from vault.models import Zone
from vault.zones import directory


def add(actions: Any) -> None:
    parser = actions.add_parser("zones", help="other machines' branch officers and what they said last")
    parser.add_argument("--refresh", action="store_true", help="ask them now")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    try:
        known = directory.list_zones(settings.WORLD)
        if options["refresh"]:
            directory.refresh(settings.WORLD)
    except BadConfig as error:
        raise CommandError(str(error)) from error
    said = {row.zone_id: row for row in Zone.objects.all()}
    rows = [said.get(zone.zone_id) or Zone(zone_id=zone.zone_id, url=zone.url) for zone in known]
    if options["json"]:
        write_json(stdout, rows)
        return
    for row in rows:
        stdout.write(_line(row))
    if not rows:
        stdout.write("There are no zones: name machines with the service zone in hosts.yaml.")


def _line(zone: Zone) -> str:
    seen = f"last seen {zone.last_seen_at:%Y-%m-%d %H:%M:%S}" if zone.last_seen_at else "never seen"
    facts = f"{zone.assets} assets, {zone.free_bytes or 0:,} bytes free" if zone.last_seen_at else "not asked yet"
    why = f" ({zone.message})" if zone.message else ""
    return f"{zone.zone_id:<12} {zone.state:<8} {seen}, {facts}, {zone.url}{why}"
