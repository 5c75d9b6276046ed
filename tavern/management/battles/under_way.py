"""`battle status`, and orders for the battle under way."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from arena import orders, rate_orders, selectors
from arena import status as arena_status
from arena.orders import Wish
from realm.management.as_json import write_json

BY = "command line"
LATER = "The arena is not running; it will obey when it starts."


def command(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Leave the order. Raises CommandError for a rate that cannot be."""
    action = options["action"]
    if action == "rate":
        try:
            rate_orders.lower(settings.WORLD, rate_orders.parse(options["value"]), by=BY)
        except rate_orders.RateRefused as refusal:
            raise CommandError(str(refusal)) from None
    else:
        orders.send(settings.WORLD, wish=Wish(action), by=BY)
    is_running = arena_status.daemon_alive(settings.WORLD)
    if options["json"]:
        write_json(stdout, {"asked": action, "arena_is_running": is_running})
    else:
        stdout.write(f"{action}: told the arena" if is_running else LATER)


def show_status(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    battle = selectors.latest_battle()
    last = selectors.last_step(settings.WORLD, battle) if battle else None
    status = arena_status.read_status(settings.WORLD)
    if options["json"]:
        quest = battle.quest.name if battle else None
        write_json(stdout, {"arena": status, "battle": battle, "quest": quest, "last_step": last})
        return
    stdout.write(f"arena    {status.state}{f': {status.message}' if status.message else ''}")
    if battle is None:
        stdout.write("battle   none was fought yet")
        return
    stdout.write(f"battle   {battle.battle_id} ({battle.state})")
    stdout.write(f"quest    {battle.quest.name}")
    if last:
        stdout.write(f"step     {last.quest_step} of {battle.total_steps or '--'} (hero step {last.step})")
        stdout.write(f"loss     {last.loss:.4g}")
        stdout.write(f"speed    {last.tokens / last.step_seconds:.0f} tokens/s")
