"""`manage.py battle status|pause|resume|stop|skip` and `battle rate VALUE`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena import orders, rate_orders, selectors
from arena import status as arena_status
from arena.orders import Wish
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = "Show the battle that is fought, or command it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["status", *Wish, "rate"])
        parser.add_argument("value", nargs="?", help="the learning rate that the battle goes on with, such as 5e-4")
        add_json(parser, goes_with="status")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["value"] is None) == (options["action"] == "rate"):
            raise CommandError("battle rate takes one VALUE, such as 5e-4, and no other action takes any")
        if options["action"] != "status":
            self._order(options["action"], options["value"])
            if not arena_status.daemon_alive(settings.WORLD):
                self.stdout.write("The arena is not running; it will obey when it starts.")
                return
            self.stdout.write(f"{options['action']}: told the arena")
            return
        if options["json"]:
            self._write_status()
        else:
            self._show_status()

    def _order(self, action: str, value: str) -> None:
        if action != "rate":
            orders.send(settings.WORLD, wish=Wish(action), by="command line")
            return
        try:
            rate_orders.lower(settings.WORLD, rate_orders.parse(value), by="command line")
        except rate_orders.RateRefused as refusal:
            raise CommandError(str(refusal)) from None

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
