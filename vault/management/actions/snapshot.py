"""`manage.py vault snapshot`."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper
from django.template.defaultfilters import filesizeformat

from realm.management.as_json import add_json, write_json
from vault.archivist import restoring, snapshots
from vault.archivist.archiving import Archived, archive
from vault.archivist.snapshots import Snapshot


def add(actions: Any) -> None:
    parser = actions.add_parser("snapshot", help="copy the world, while it runs, into a folder of backups/")
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("--list", action="store_true", help="those there are, newest first")
    verbs.add_argument("--verify", metavar="NAME", help="read every byte of one; a path names one elsewhere")
    verbs.add_argument("--once-a-day", action="store_true", help="nothing where one of this reason was taken today")
    parser.add_argument("--reason", default=snapshots.BY_HAND, help="a word for its name (default: %(default)s)")
    parser.add_argument("--with-secrets", action="store_true", help="tokens and keys too")
    parser.add_argument("--database-only", action="store_true", help="the database alone")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    if options["list"]:
        _list(stdout, as_json=options["json"])
    elif options["verify"]:
        _verify(stdout, options["verify"], as_json=options["json"])
    else:
        _take(stdout, options)


def _take(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    reason, daily = options["reason"], options["once_a_day"]
    if daily and (found := _of_today(reason)):
        done = Archived(snapshot=found, pruned=(), kept=None)
    else:
        done = archive(
            settings.WORLD,
            reason=reason,
            by="taskmaster" if daily else "command line",
            with_secrets=options["with_secrets"],
            database_alone=options["database_only"],
        )
    if options["json"]:
        write_json(stdout, _shallow(done.snapshot) | {"pruned": done.pruned, "kept": done.kept})
        return
    stdout.write(f"{done.snapshot.name}: {_content(done.snapshot)}")
    for name in done.pruned:
        stdout.write(f"{name} made room")
    if done.kept:
        stdout.write(done.kept.sentence)


def _shallow(one: Snapshot) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in fields(one)}


def _of_today(reason: str) -> Snapshot | None:
    found = snapshots.newest(settings.WORLD, reason=reason)
    today = datetime.now().astimezone().date()
    return found if found and found.created_at and found.created_at.astimezone().date() == today else None


def _list(stdout: OutputWrapper, *, as_json: bool) -> None:
    found = snapshots.list_snapshots(settings.WORLD)
    if as_json:
        write_json(stdout, found)
        return
    for one in found:
        stdout.write(f"{one.name:<36} {one.trouble or _content(one)}")
    if not found:
        stdout.write("there is no snapshot yet: manage.py vault snapshot")


def _verify(stdout: OutputWrapper, name: str, *, as_json: bool) -> None:
    found = restoring.verify(snapshots.find(settings.WORLD, name, elsewhere=True))
    if as_json:
        write_json(stdout, found)
    else:
        stdout.write(
            f"{found.name} is whole: {found.files} files, {found.checkpoints} checkpoints, "
            f"{filesizeformat(found.bytes)}, read in {found.seconds:.1f} s"
        )


def _content(one: Snapshot) -> str:
    what = "the database alone" if one.holds == "database" else f"{one.files} files, {one.checkpoints} checkpoints"
    left_out = f"; left out: {'; '.join(one.left_out)}" if one.left_out else ""
    return f"{what}, {filesizeformat(one.size_bytes)} beside checkpoints{left_out}"
