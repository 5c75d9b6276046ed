"""`manage.py battle …`: orders for the battle under way, and the history of all."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from arena.history.finding import STATES, NoSuchBattle
from arena.orders import Wish
from realm.management.as_json import add_json
from tavern.management.battles import changing, one_step, showing, under_way

_WISHES = {
    Wish.PAUSE: "let it rest exactly where it is",
    Wish.RESUME: "let it, or the queue, go on",
    Wish.STOP: "end it with a checkpoint, and rest",
    Wish.SKIP: "end it with a checkpoint, and go on with the next quest",
}
_DONE_BY: dict[str, Callable[[OutputWrapper, dict[str, Any]], None]] = {
    "status": under_way.show_status,
    "list": showing.show_list,
    "show": showing.show_one,
    "compare": showing.show_comparison,
    "efficiency": showing.show_efficiency,
    "report": showing.write_report,
    "step": one_step.show,
    "note": changing.note,
    "tag": changing.tag,
    "repeat": changing.repeat,
    "delete": changing.delete,
    "restore": changing.restore,
    "stop-all": changing.stop_all,
}
_ID = "its id, its quest's name, or newest"


class Command(BaseCommand):
    help = "Command the battle that is fought; find, note, compare, repeat and delete those that were."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for wish in Wish:
            add_json(actions.add_parser(wish, help=_WISHES[wish]))
        rate = actions.add_parser("rate", help="lower the learning rate of the battle under way")
        rate.add_argument("value", help="the learning rate that it goes on with, such as 5e-4")
        add_json(rate)
        shown = {
            action: actions.add_parser(action, help=said)
            for action, said in (
                ("status", "how the battle under way stands"), ("list", "battles, the newest first"),
                ("show", "all that is known of one, and what it came to"),
                ("compare", "two to six beside each other"),
                ("efficiency", "tokens, time and energy for each level won"),
                ("step", "one step of one: its figures and its hardest rows"),
                ("report", "one HTML file to hand on, of one battle or of several"),
                ("note", "read or write label and note"), ("tag", "give or take tags"),
                ("repeat", "fight it once more with one key of the recipe changed"),
                ("delete", "delete steps and curves of old battles; what they won stays"),
                ("restore", "put back what was deleted within a week"),
                ("stop-all", "end the battle under way and let the arena rest"),
            )
        }  # fmt: skip
        for action in shown.values():
            add_json(action)
        for name in ("show", "step", "note", "tag", "repeat"):
            shown[name].add_argument("battle", metavar="BATTLE", help=_ID)
        shown["step"].add_argument("step", metavar="STEP", help="of the hero's life, in that battle")
        shown["compare"].add_argument("battles", nargs="+", metavar="BATTLE", help=_ID)
        shown["compare"].add_argument("--all", action="store_true", help="keys of the recipe that are alike, too")
        shown["report"].add_argument("battles", nargs="+", metavar="BATTLE", help=_ID)
        shown["report"].add_argument("--out", type=Path, metavar="FILE", help="where to (default: named by the battle)")
        shown["restore"].add_argument("battles", nargs="+", metavar="BATTLE", help=_ID)
        _add_search(shown["list"])
        shown["note"].add_argument("text", nargs="?", help="the note; without: it is shown")
        shown["note"].add_argument("--label", help="shown in place of the quest's name; '' takes it away")
        shown["tag"].add_argument("tags", nargs="+", metavar="TAG")
        shown["tag"].add_argument("--remove", action="store_true", help="take these away")
        shown["repeat"].add_argument("change", metavar="KEY=VALUE", help="the one change, as learning_rate=5e-4")
        shown["repeat"].add_argument("--yes", action="store_true", help="also a rate far from what suits the hero")
        shown["delete"].add_argument("battles", nargs="*", metavar="BATTLE", help=_ID)
        shown["delete"].add_argument("--older-than", type=float, metavar="DAYS", help="those that ended earlier")
        shown["delete"].add_argument("--keep", type=int, metavar="N", help="all but the newest N")
        shown["delete"].add_argument("--yes", action="store_true", help="do it; without, it is only shown")

    def handle(self, *args: Any, **options: Any) -> None:
        action = options["action"]
        if action not in _DONE_BY:
            under_way.command(self.stdout, options)
            return
        try:
            _DONE_BY[action](self.stdout, options)
        except (NoSuchBattle, ValueError) as error:
            raise CommandError(str(error)) from error


def _add_search(listing: ArgumentParser) -> None:
    listing.add_argument("search", nargs="?", help="words that stand in name, quest, hero, skill, tag or note")
    listing.add_argument("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    for name in ("skill", "tag", "hero"):
        listing.add_argument(f"--{name}")
    listing.add_argument("--limit", type=int, default=50, help="newest N (default 50)")
