"""`manage.py quest add|list|template|show|hold|release|move|cancel|retry|force|discard|recipe`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from arena import quest_orders, quest_templates
from arena import status as arena_status
from arena.gate.rules import DEPTHS
from arena.management import show
from arena.models import ChronicleEntry, Quest
from arena.profiles import quest_recipe
from arena.profiles.quest_recipe import OwnRecipe, UnconfirmedRate
from arena.quest_orders import Act, acts_for, makes_sense
from arena.quest_templates import NoSuchTemplate, QuestTemplate
from arena.queue import asking
from arena.queue import files as queue
from arena.queue.acts import KINDS
from arena.queue.asking import Wanted
from realm import strict
from realm.disk.mailbox import wait_until_obeyed
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from realm.world import PRIORITIES

OVER = (Quest.State.COMPLETED, Quest.State.FAILED, Quest.State.CANCELLED)
BY = "command line"
WIDE = 200
HELD = "held"
"""What an inspected quest that waits for the player is called where people read."""
STATES = (*Quest.State.values, HELD)
_HELP = {
    Act.HOLD: "let waiting quests wait until they are released",
    Act.RELEASE: "let quests on hold be fought",
    Act.MOVE: "to another priority or place in the queue",
    Act.CANCEL: "take quests out of the queue; one that is being fought is skipped",
    Act.RETRY: "send failed or cancelled quests to the gatekeepers again",
    Act.FORCE: "the same, though they are duplicates or have too many bad rows; fight completed ones once more",
    Act.DISCARD: "delete the files of quests that are over",
    Act.RECIPE: "give waiting quests a recipe of their own, in the place of the one they have",
}


class Command(BaseCommand):
    help = "Put training files into the queue, show and command them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="copy files into the queue; they stay where they are, too")
        add.add_argument("files", nargs="+", type=Path, metavar="FILE")
        add.add_argument("--priority", choices=PRIORITIES, default="normal")
        add.add_argument("--hold", action="store_true", help="not to be fought before it is released")
        add.add_argument("--force", action="store_true", help="also a duplicate, or with too many bad rows")
        add.add_argument("--depth", choices=DEPTHS, help="how closely the gatekeepers look (default: the settings')")
        _add_recipe(add)
        add_json(add)
        listing = actions.add_parser("list", help="quests and where they stand")
        listing.add_argument(
            "--state",
            choices=STATES,
            metavar="STATE",
            help=f"only these, of {', '.join(STATES)}; held are those that wait for your word",
        )
        listing.add_argument("--limit", type=int, default=50, help="newest N that are over (default 50)")
        add_json(listing)
        template = actions.add_parser("template", help="quests to begin from; with NAME its rows, as JSONL")
        template.add_argument("name", nargs="?", metavar="NAME")
        add_json(template)
        show.add_arguments(actions.add_parser("show", help="a quest's rows as the hero will see them"))
        for act in Act:
            ordered = actions.add_parser(act, help=_HELP[act])
            ordered.add_argument("quests", nargs="+", metavar="ID|NAME", help="a name stands for its newest quest")
            add_json(ordered)
            if act == Act.RECIPE:
                _add_recipe(ordered)
                ordered.add_argument("--clear", action="store_true", help="they follow the realm's recipe again")
            if act == Act.MOVE:
                ordered.add_argument("--priority", choices=PRIORITIES)
                place = ordered.add_mutually_exclusive_group()
                place.add_argument("--before", metavar="ID|NAME", help="in front of this quest")
                place.add_argument("--first", action="store_true", help="in front of all of that priority")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "add":
            own = _recipe_of(options)
            chosen = {key: options[key] for key in ("priority", "hold", "force", "depth")}
            self._add(options["files"], Wanted(by=BY, own=own, **chosen), as_json=options["json"])
        elif options["action"] == "template":
            self._templates(options["name"], as_json=options["json"])
        elif options["action"] == "show" and options["json"]:
            write_json(self.stdout, show.document(settings.WORLD, settings.REALM, options))
        elif options["action"] == "show":
            seen = show.shown(settings.WORLD, settings.REALM, options, colours=self.stdout.isatty())
            self.stdout.write(seen, ending="")
        elif options["action"] == "list":
            if options["json"]:
                write_json(self.stdout, self._chosen(options["state"], options["limit"]))
                return
            self._list(options["state"], options["limit"])
        else:
            self._order(Act(options["action"]), options)

    def _add(self, files: list[Path], wanted: Wanted, *, as_json: bool) -> None:
        for path in files:
            if not path.is_file():
                raise CommandError(f"{path} is not a file")
        is_running, by = arena_status.daemon_alive(settings.WORLD), f", {wanted.own.said}" if wanted.own.keys else ""
        asked = []
        for path in files:
            added = asking.ask_file(settings.WORLD, path, wanted)
            asked.append({"file": path, "quest": added.name, "priority": wanted.priority})
            if not as_json:
                self.stdout.write(f"{path} goes to the gatekeepers as {added.name}, priority {wanted.priority}{by}")
        if as_json:
            write_json(self.stdout, {"asked": asked, "arena_is_running": is_running})
        elif not is_running:
            self.stdout.write("The arena is not running; it will look at them when it starts.")

    def _templates(self, name: str | None, *, as_json: bool) -> None:
        try:
            found = quest_templates.find(name) if name else quest_templates.list_templates()
        except NoSuchTemplate as error:
            raise CommandError(str(error)) from error
        if as_json:
            write_json(self.stdout, found)
        elif isinstance(found, QuestTemplate):
            self.stdout.write(found.jsonl, ending="")
        else:
            for template in found:
                self.stdout.write(f"{template.name:12} {template.title} ({template.pairs}). {template.teaches}")

    def _list(self, state: str | None, limit: int) -> None:
        table = Table(
            "id", Column("quest", overflow="fold", min_width=20), "state", "priority", "rows", "steps", "reason"
        )
        quests = self._chosen(state, limit)
        for quest in quests:
            rows = f"{quest.taken}/{quest.rows}" if quest.rows else "--"
            steps = "--" if quest.steps is None else str(quest.steps)
            shown = HELD if quest.state == Quest.State.INSPECTED else quest.state
            table.add_row(*map(escape, [str(quest.id), quest.name, shown, quest.priority, rows, steps, quest.reason]))
        # Piped into another program a table must not be cut to the width of a terminal that is not there.
        console = Console() if self.stdout.isatty() else Console(width=WIDE)
        with console.capture() as text:
            console.print(table)
        self.stdout.write(text.get())
        over = Quest.objects.filter(state__in=OVER).count()
        if over > limit and state in (None, *OVER):
            self.stdout.write(f"The newest {limit} of {over} that are over; --limit shows more.")

    def _chosen(self, state: str | None, limit: int) -> list[Quest]:
        state = Quest.State.INSPECTED.value if state == HELD else state
        over = Quest.objects.filter(state__in=OVER).order_by("-id")[:limit]
        fought = list(Quest.objects.filter(state=Quest.State.BATTLING))
        held = queue.in_order(Quest.objects.filter(state=Quest.State.INSPECTED))
        everything = [*reversed(over), *fought, *queue.waiting(), *held, *queue.arrived()]
        return [quest for quest in everything if state in (None, quest.state)]

    def _order(self, act: Act, options: dict[str, Any]) -> None:
        quests = [_find(text) for text in options["quests"]]
        for quest in quests:
            if not makes_sense(quest, act):
                possible = ", ".join(acts_for(quest)) or "nothing"
                raise CommandError(f"{quest.name} is {quest.state}: {act} makes no sense; possible: {possible}")
        priority = options.get("priority") or (quests[0].priority if act == Act.MOVE else None)
        before = _find(options["before"]) if options.get("before") else None
        if options.get("first"):
            lane = queue.in_order(Quest.objects.filter(priority=priority, state__in=queue.WAITING))
            before = lane.exclude(pk__in=[quest.pk for quest in quests]).first()
        own = _recipe_of(options) if act == Act.RECIPE else None
        if own is not None and bool(own.keys) == options["clear"]:
            raise CommandError("say what the recipe is to be: --preset NAME, --set KEY=VALUE, or --clear alone")
        newest = ChronicleEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        path = quest_orders.send(
            settings.WORLD, act=act, quests=quests, priority=priority, before=before, by=BY,
            recipe=own.keys if own else None, confirmed_rate=own.confirmed_rate if own else None,
        )  # fmt: skip
        said = list(_outcome(path, newest))
        if options["json"]:
            names = [{"id": quest.pk, "name": quest.name} for quest in quests]
            write_json(self.stdout, {"asked": act, "quests": names, "done": not path.exists(), "said": said})
            return
        for message in said:
            self.stdout.write(message)


def _outcome(path: Path, newest: int) -> Iterator[str]:
    """What became of an order, in sentences."""
    if not arena_status.daemon_alive(settings.WORLD):
        yield "The arena is not running; it will carry that out when it starts."
        return
    if not wait_until_obeyed(path):
        yield "The arena has not carried that out yet; it will."
        return
    yield from ChronicleEntry.objects.filter(id__gt=newest, kind__in=KINDS).values_list("message", flat=True)


def _add_recipe(parser: ArgumentParser) -> None:
    parser.add_argument("--preset", metavar="NAME", help="of the recipe, instead of the one in force")
    parser.add_argument(
        "--set", action="append", default=[], dest="pairs", metavar="KEY=VALUE", help="a key of the recipe; repeatable"
    )
    parser.add_argument("--yes", action="store_true", help="also with a learning rate far from what suits the hero")


def _recipe_of(options: dict[str, Any]) -> OwnRecipe:
    """Raises CommandError, also for a rate that needs the player's word."""
    try:
        return quest_recipe.given(
            settings.WORLD, settings.REALM, preset=options["preset"], pairs=options["pairs"], confirmed=options["yes"]
        )
    except UnconfirmedRate as error:
        raise CommandError(f"{error}; add --yes if that is what you want") from error
    except BadConfig as error:
        raise CommandError(str(error)) from error


def _find(text: str) -> Quest:
    number = strict.whole_number(text)
    by_id = None if number is None else Quest.objects.filter(pk=number).first()
    quest = by_id or Quest.objects.filter(name=text).order_by("-id").first()
    if quest is None:
        raise CommandError(f"there is no quest {text!r}; `quest list` shows ids and names")
    return quest
