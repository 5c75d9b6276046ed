"""`manage.py perform_job JOB.ATTEMPT ARGUMENTS`: what a worker starts for each of its jobs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena.management import at_worker
from guild.errors import GuildError
from guild.workers.claims import Claim, ClaimLost
from realm import strict
from realm.processes.held import end_with_input


class Command(BaseCommand):
    help = "Carry out one job of a worker, which starts this itself; it ends with its standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("claim", type=Claim.read, metavar="JOB.ATTEMPT")
        parser.add_argument("arguments", type=json.loads, metavar="ARGUMENTS", help="of the job, as JSON")
        parser.add_argument("--worker", required=True, metavar="NAME", help="for whom")

    def handle(self, *args: Any, **options: Any) -> None:
        end_with_input()
        try:
            asked = strict.read(at_worker.Asked, options["arguments"], source="the job")
            at_worker.do(settings.WORLD, options["claim"], asked, worker=options["worker"], say=self.stdout.write)
        except (ClaimLost, GuildError, strict.BadConfig) as error:
            raise CommandError(str(error)) from error
