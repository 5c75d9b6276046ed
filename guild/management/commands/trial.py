"""`manage.py trial --checkpoints newest,best --skills bin,sy --levels 1-5`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guild.errors import GuildError
from guild.management import foreground
from guild.management.tables import trial_table
from guild.skills.registry import list_skills
from guild.work import trials
from realm.management.as_json import add_json


class Command(BaseCommand):
    help = "Ask any checkpoints the problems of skills and levels; side by side, and Ctrl+C keeps what is answered."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoints", required=True,
            help="steps, names, newest, best (the champion), all, base; with commas",
        )  # fmt: skip
        parser.add_argument("--skills", help="with commas (default: all)")
        parser.add_argument("--levels", help="such as 3, 1-5 or 1,2,7 (default: all)")
        parser.add_argument("--problems", type=int, help="so many others a level (default: the evaluation sets)")
        parser.add_argument("--seed", type=int, help="of those others (default: by chance, and told)")
        parser.add_argument("--hero", help="default: the settings'")
        parser.add_argument("--host", help="who answers (default: the first of the hosts)")
        parser.add_argument("--background", action="store_true", help="leave it to the Task Master")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            skills = options["skills"].split(",") if options["skills"] else list_skills()
            order = trials.order(
                world=settings.WORLD,
                hero=options["hero"] or settings.REALM.hero,
                checkpoints=options["checkpoints"].split(","),
                skills=[skill.strip() for skill in skills],
                levels=foreground.levels(options["levels"]) if options["levels"] else None,
                problems=options["problems"],
                seed=options["seed"],
                host=options["host"],
            )
            run = foreground.begin(
                self.stdout,
                settings.WORLD,
                trials.create(order, by=foreground.asker()),
                background=options["background"],
                as_json=options["json"],
            )
        except (GuildError, ValueError) as error:
            raise CommandError(str(error)) from error
        if run and not options["json"]:
            self.stdout.write(trial_table(run), ending="")
