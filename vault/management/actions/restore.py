"""`manage.py vault restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper
from django.template.defaultfilters import filesizeformat

from realm.management.as_json import add_json, write_json
from vault import chronicle
from vault.archivist import restoring, snapshots


def add(actions: Any) -> None:
    parser = actions.add_parser("restore", help="make a new world of a snapshot, in a folder of its own")
    parser.add_argument("snapshot", help="its name (vault snapshot --list), or a path to it")
    parser.add_argument("--to", type=Path, required=True, metavar="HOME", help="a folder that is new or empty")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    folder = snapshots.find(settings.WORLD, options["snapshot"], elsewhere=True)
    made = restoring.restore(folder, options["to"], by="command line")
    chronicle.record(settings.WORLD, "restore", by="command line", name=made.snapshot, home=str(made.home))
    if options["json"]:
        write_json(stdout, made)
        return
    stdout.write(
        f"{made.home} is the world of {made.taken_at}: {made.files} files, {made.checkpoints} checkpoints, "
        f"{filesizeformat(made.bytes)}, every digest right"
    )
    if made.database_dump:
        stdout.write(
            "first let it have a database of its own: database_url in its config.yaml, or REALM_DATABASE_URL; "
            f"its rows: pg_restore -d DATABASE {made.home / made.database_dump}, or none: they are made anew"
        )
    stdout.write(f"start it: REALM_HOME={made.home} scripts/start_all.sh")
