"""`manage.py curriculum show|set`: what is forged next and why, and the player's wishes for each skill."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from guild.curriculum import plan as curricula
from guild.curriculum.plan import Curriculum
from guild.errors import GuildError
from guild.management.tables import as_text
from guild.selectors import lost_levels
from guild.skills import health
from realm import config
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig


class Command(BaseCommand):
    help = "The curriculum: which quests the guild forges by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("show", help="every skill, and the quest that would be forged next"))
        change = actions.add_parser("set", help="what you want otherwise than the skill's file says")
        change.add_argument("skill")
        add_json(change)
        keys = ", ".join(curricula.Wishes.__dataclass_fields__)
        change.add_argument("keys", nargs="+", metavar="KEY=VALUE", help=f"{keys}; null: as the skill's file says")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "set":
                curricula.save_curriculum(settings.WORLD, options["skill"], config.parse_pairs(options["keys"]))
                if not options["json"]:
                    self.stdout.write("Saved. The next quest is forged by it.")
            curriculum = curricula.read_curriculum(config.load(settings.WORLD))
            if options["json"]:
                self._write(curriculum)
            else:
                self._show(curriculum)
        except (GuildError, BadConfig) as error:
            raise CommandError(str(error)) from error

    def _write(self, curriculum: Curriculum) -> None:
        world, hero = settings.WORLD, settings.REALM.hero
        health.note_broken_files(world)
        turns = curricula.turns(world, hero, curriculum)
        lost = {turn.skill.name: lost_levels(hero, turn.skill.name) for turn in turns}
        write_json(self.stdout, {"turns": turns, "lost": lost, "next": curricula.plan(world, hero, curriculum)})

    def _show(self, curriculum: Curriculum) -> None:
        world, hero = settings.WORLD, settings.REALM.hero
        table = Table(
            "skill",
            "level",
            "lost",
            "priority",
            "rows",
            "rehearsal",
            "first",
            "lost ×",
            "preview",
            "other skills",
            "now",
        )
        health.note_broken_files(world)
        for turn in curricula.turns(world, hero, curriculum):
            skill = turn.skill
            lost = ", ".join(map(str, lost_levels(hero, skill.name)))
            wanted = (
                str(skill.priority),
                str(skill.quest_rows),
                f"{skill.rehearsal_share:.0%}",
                f"{skill.first_rehearsal_share:.0%}",
                str(skill.lost_weight),
                f"{skill.preview_share:.0%}",
                f"{skill.other_skills_share:.0%}",
            )
            table.add_row(
                skill.name, f"{turn.level}/{skill.max_level}", lost, *wanted, turn.waits or turn.doubt or "in turn"
            )
        self.stdout.write(as_text(table))
        plan = curricula.plan(world, hero, curriculum)
        if plan is None:
            self.stdout.write("No quest is forged: no skill wants one.")
            return
        self.stdout.write(f"Next: {plan.name}. {plan.reason}.")
        for part in plan.mix:
            of = "" if part.skill == plan.skill.name else f"{part.skill} "
            self.stdout.write(f"  {part.rows} rows of {of}level {part.level} ({part.why})")
