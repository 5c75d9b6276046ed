"""`manage.py forge --skill bin --level 3 --count 5000`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guild.errors import GuildError
from guild.evaluation.progression import current_level
from guild.management import foreground
from guild.skills.registry import get_skill
from guild.work import forging
from realm.management.as_json import add_json


def _levels(text: str) -> list[int]:
    try:
        return foreground.levels(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _to(text: str) -> Path | None:
    return None if text == forging.INBOX else Path(text)


class Command(BaseCommand):
    help = "Forge a quest of a skill's problems; none of them held out; Ctrl+C stops it and leaves nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--skill", required=True)
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--level", type=int, help="default: the one that the hero works on")
        chosen.add_argument("--levels", type=_levels, help="mixed in equal shares, such as 1-3 or 1,4")
        parser.add_argument(
            "--count", type=int, help=f"rows, at most {forging.MOST_ROWS} (default: the skill's quest_rows)"
        )
        parser.add_argument("--seed", type=int, help="the same rows again (default: by chance, and told)")
        parser.add_argument("--name", help="of the quest")
        parser.add_argument("--to", type=_to, metavar="inbox|FILE", help="default: the inbox")
        parser.add_argument("--background", action="store_true", help="leave it to the Task Master")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            skill = get_skill(options["skill"])
            level = options["level"]
            if level is None:
                level = current_level(hero=settings.REALM.hero, skill=skill)
            order = forging.order(
                skill=skill.name,
                levels=options["levels"] or [level],
                count=skill.quest_rows if options["count"] is None else options["count"],
                seed=options["seed"],
                name=options["name"],
                to=options["to"],
            )
            run = forging.create(order, by=foreground.asker())
            foreground.begin(
                self.stdout, settings.WORLD, run, background=options["background"], as_json=options["json"]
            )
        except GuildError as error:
            raise CommandError(str(error)) from error
