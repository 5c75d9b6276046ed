"""`manage.py battle status|pause|resume|stop|skip`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from arena import orders, selectors
from arena import status as arena_status
from arena.orders import Wish
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = "Show the battle that is fought, or command it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["status", *Wish])
        add_json(parser, goes_with="status")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] != "status":
            orders.send(settings.WORLD, wish=Wish(options["action"]), by="command line")
            if not arena_status.daemon_alive(settings.WORLD):
                self.stdout.write("The arena is not running; it will obey when it starts.")
                return
            self.stdout.write(f"{options['action']}: told the arena")
            return
        if options["json"]:
            self._write_status()
        else:
            self._show_status()

    def _write_status(self) -> None:
        battle = selectors.latest_battle()
        step = selectors.last_step(settings.WORLD, battle) if battle else None
        quest = battle.quest.name if battle else None
        status = arena_status.read_status(settings.WORLD)
        write_json(self.stdout, {"arena": status, "battle": battle, "quest": quest, "last_step": step})

    def _show_status(self) -> None:
        status = arena_status.read_status(settings.WORLD)
        self.stdout.write(f"arena    {status.state}{f': {status.message}' if status.message else ''}")
        battle = selectors.latest_battle()
        if battle is None:
            self.stdout.write("battle   none was fought yet")
            return
        last = selectors.last_step(settings.WORLD, battle)
        self.stdout.write(f"battle   {battle.battle_id} ({battle.state})")
        self.stdout.write(f"quest    {battle.quest.name}")
        if last:
            self.stdout.write(f"step     {last.quest_step} of {battle.total_steps or '--'} (hero step {last.step})")
            self.stdout.write(f"loss     {last.loss:.4g}")
            self.stdout.write(f"speed    {last.tokens / last.step_seconds:.0f} tokens/s")
