"""`manage.py skill list|show|check`."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guild.curriculum.plan import read_curriculum
from guild.errors import GuildError
from guild.skills import check as skill_check
from guild.skills import health
from guild.skills.registry import broken_skills, file_of, get_skill, impossible_requirements, read_skills
from realm import config
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig

LONGEST_EXAMPLE = 100
MOST_PROBLEMS = 100_000


class Command(BaseCommand):
    help = "The skills of configs/skills/; what they are, and whether their trainers do what they promise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="every skill, which of them are broken, and whose trainer is down")
        shown = actions.add_parser("show", help="a skill's file")
        shown.add_argument("name", metavar="NAME")
        add_json(listing)
        add_json(shown)
        check = actions.add_parser("check", help="draw problems of every level and let the trainer judge them")
        check.add_argument("name", metavar="NAME")
        check.add_argument("--level", type=int, action="append", default=[], help="only this one; may stand twice")
        check.add_argument("--count", type=int, default=skill_check.PROBLEMS, help="problems of each level")
        add_json(check)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except (GuildError, BadConfig) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        health.note_broken_files(settings.WORLD)
        down = health.down(settings.WORLD)
        if options["json"]:
            write_json(self.stdout, {"skills": read_skills(), "down": down, "left_out": broken_skills()})
            return
        for skill in read_skills():
            where = f" at {skill.api_url}" if skill.kind == "http" else ""
            self.stdout.write(f"{skill.name}: {skill.title}, {skill.max_level} levels, {skill.trainer}{where}")
            if skill.name in down:
                seconds = max(0.0, down[skill.name].retry_at - time.time())
                self.stdout.write(f"  down, tried again in {seconds:.0f} s: {down[skill.name].reason}")
            for why in impossible_requirements(skill):
                self.stdout.write(f"  waits: {why}")
        for sentence in broken_skills():
            self.stdout.write(f"left out: {sentence}")

    def _show(self, options: dict[str, Any]) -> None:
        skill = get_skill(options["name"])
        if options["json"]:
            write_json(self.stdout, skill)
            return
        self.stdout.write(file_of(skill.name).read_text(encoding="utf-8"))

    def _check(self, options: dict[str, Any]) -> None:
        count = options["count"]
        if not 1 <= count <= MOST_PROBLEMS:
            raise CommandError(f"--count {count} is not allowed; allowed are 1 to {MOST_PROBLEMS}.")
        curriculum = read_curriculum(config.load(settings.WORLD))
        checked = skill_check.check(
            settings.WORLD, options["name"], levels=options["level"], problems=count, curriculum=curriculum
        )
        if options["json"]:
            write_json(self.stdout, list(checked))
            return
        for found in checked:
            example = _short(" → ".join(found.example))
            self.stdout.write(
                f"level {found.level}: {found.problems} different problems in {found.sample_seconds:.2f} s, "
                f"judged in {found.judge_seconds:.2f} s; enough for a quest of {found.rows} rows; {example}"
            )
        self.stdout.write(f"{options['name']} keeps its promises.")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_EXAMPLE else f"{line[: LONGEST_EXAMPLE - 1]}…"
