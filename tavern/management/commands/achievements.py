"""`manage.py achievements`: what the hero has reached with its proof, and how far the others are."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from rich.markup import escape
from rich.table import Table

from guild.management.tables import as_text
from realm.management.as_json import add_json, write_json
from tavern.achievements.api import told
from tavern.achievements.counted import standings
from tavern.achievements.page import progress_of
from watchtower.achievements.evaluation import Standing, evaluate


class Command(BaseCommand):
    help = "Achievements of the hero: what is reached and what proves it, and how far the others are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        hero = settings.REALM.hero
        evaluate(settings.WORLD, hero)
        if options["json"]:
            write_json(self.stdout, told(settings.WORLD, hero))
            return
        found = standings(settings.WORLD, hero)
        table = Table("achievement", "reached", "what proves it, or what it asks for")
        for one in found:
            table.add_row(*map(escape, _row(one)))
        reached = sum(one.unlocked is not None for one in found)
        self.stdout.write(f"{as_text(table)}{reached} of {len(found)} achievements of {hero}")


def _row(one: Standing) -> tuple[str, str, str]:
    rule, unlocked = one.rule, one.unlocked
    if unlocked:
        at = datetime.fromtimestamp(unlocked.unlocked_at)
        return rule.title, f"{at:%Y-%m-%d %H:%M}", unlocked.proof.said
    if rule.secret:
        return "a secret", "--", "it is told once it is reached"
    return rule.title, progress_of(one) or "--", rule.requirement
