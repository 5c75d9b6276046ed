"""`manage.py vault copies [--apply]`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.copies import policy
from vault.copies.policy import Standing
from vault.management.foreground import asker, shown_progress


def add(actions: Any) -> None:
    parser = actions.add_parser("copies", help="how many copies each checkpoint has, and where")
    parser.add_argument(
        "--apply", action="store_true", help="read copies that were not read for long, and make those that are missing"
    )
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    if options["apply"]:
        _apply(stdout, options)
        return
    standings = list(policy.survey(settings.WORLD, settings.REALM.copies))
    if options["json"]:
        write_json(stdout, standings)
        return
    for standing in standings:
        stdout.write(_line(standing))
    rules = settings.REALM.copies
    enough = sum(standing.is_enough for standing in standings)
    stdout.write(
        f"{enough} of {len(standings)} checkpoints have {rules.copies} copies, {rules.elsewhere} of them elsewhere, "
        f"read within {rules.verified_days} days"
    )


def _apply(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    with shown_progress() as progress:
        done = policy.apply(settings.WORLD, settings.REALM.copies, by=asker(), progress=progress)
    if options["json"]:
        write_json(stdout, done)
    else:
        for word in ("made", "verified", "failed"):
            for line in getattr(done, word):
                stdout.write(f"{word:<10}{line}")
        stdout.write(f"{len(done.made)} copies made, {len(done.verified)} read")
    if done.failed:
        raise CommandError(f"copies that could not be made or read: {len(done.failed)}")


def _line(standing: Standing) -> str:
    parts = [f"{len(standing.verified)} verified ({', '.join(standing.verified) or 'nowhere'})"]
    if standing.unverified:
        parts.append(f"not read lately: {', '.join(standing.unverified)}")
    if standing.broken:
        parts.append(f"missing or damaged: {', '.join(standing.broken)}")
    if standing.to:
        parts.append(f"to be copied to {', '.join(standing.to)}")
    if standing.short:
        parts.append(f"no stronghold for {standing.short} more")
    return f"{standing.hero}/{standing.name}  {'; '.join(parts)}"
