"""`manage.py worker --resources gpu0`: works on jobs of the Task Master, on this machine or another."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from guild.errors import GuildError
from guild.management.tables import as_text
from guild.workers import jobs, possible, roster
from guild.workers.resources import ALLOWED, Resource, host_name
from realm.logs.configuration import STARTED
from realm.management.as_json import add_json, write_json

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Work on evaluations, trials, forges and sparrings that the Task Master gives away, until SIGTERM or Ctrl+C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_mutually_exclusive_group(required=True)
        verbs.add_argument(
            "--resources", nargs="+", metavar="RESOURCE", help=f"what of this machine works; {ALLOWED}"
        )  # fmt: skip
        verbs.add_argument("--list", action="store_true", help="every worker, and what it does; exit code 1: one died")
        parser.add_argument("--host", metavar="NAME", help="what this machine is called (default: its own name)")
        add_json(parser, goes_with="--list")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._list(as_json=options["json"])
            return
        if why := possible.why_not():
            raise CommandError(why)
        from guild.workers import serving

        try:
            resources = sorted({Resource.read(text) for word in options["resources"] for text in word.split(",")})
            host = host_name(options["host"])
            log.info("a worker of %s begins: %s", host, resources, extra={"event": STARTED})
            serving.serve(settings.WORLD, settings.REALM, host=host, resources=resources)
        except GuildError as error:
            raise CommandError(str(error)) from error

    def _list(self, *, as_json: bool) -> None:
        seen = roster.look()
        if as_json:
            write_json(self.stdout, seen)
        elif seen.why_not:
            self.stdout.write(f"There are no workers: {seen.why_not}")
        else:
            self._show(seen)
        if any(not worker.alive for worker in seen.workers):
            raise SystemExit(1)

    def _show(self, seen: roster.Roster) -> None:
        table = Table("worker", "process", "state", "heartbeat", "works on", "waits for it")
        for worker in seen.workers:
            state = (worker.busy or "ready") if worker.alive else "dead"
            doing = ", ".join(job.act for job in worker.jobs if job.state == jobs.DOING)
            todo = ", ".join(job.act for job in worker.jobs if job.state != jobs.DOING)
            table.add_row(worker.name, str(worker.pid), state, f"{worker.silent_seconds:.0f} s ago", doing, todo)
        self.stdout.write(as_text(table) if seen.workers else "No worker has come; `manage.py worker --resources cpu`")
        for job in seen.stray:
            self.stdout.write(f"{job.act} waits in the queue {job.queue}, which nobody serves")
