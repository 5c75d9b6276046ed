"""`manage.py train [FILE] --steps N`, and `manage.py train --replay STEP`."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena import status as arena_status
from arena.management import replay_view
from arena.management.foreground import own_arena, running_arena
from arena.management.foreground.result import EndedBy, result_of
from arena.management.foreground.telling import Teller, quiet_console
from arena.management.foreground.wanted import Wanted
from realm import strict
from realm.management.as_json import add_json, write_json

LOG_FILE = "logs/train/train.jsonl"
_FOR_REPLAY, _FOR_TRAINING = ("battle", "tensor", "row"), ("steps", "hours", "file", "skill", "level", "save_every")


def _count(text: str) -> int:
    number = strict.whole_number(text)
    if not number:
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed are whole numbers from 1 on")
    return number


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed is more than 0, such as 0.5")
    return hours


class Command(BaseCommand):
    help = (
        "Train in the foreground until so many more steps are done; without --steps and --hours until no quest waits. "
        "Where the arena runs, its battle is followed. Ctrl+C saves a checkpoint. --replay does one step again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE", help="a quest that is put into the queue first"
        )
        parser.add_argument("--steps", type=_count, metavar="N", help="optimizer steps from now on")
        parser.add_argument("--hours", type=_hours, metavar="H", help="at most so long")
        parser.add_argument("--skill", help="forge a quest of this skill first")
        parser.add_argument("--level", type=_count, help="of the skill (default: the one that the hero works on)")
        parser.add_argument(
            "--checkpoint-interval", type=_count, dest="save_every", metavar="N", help="save every N steps of the hero"
        )
        parser.add_argument("--resume", action="store_true", help="go on though the arena was told to rest")
        replay = parser.add_argument_group("a step done again; nothing of the world is changed")
        replay.add_argument("--replay", type=_count, metavar="STEP", help="this step of the hero")
        replay.add_argument("--battle", metavar="ID", help="of this battle (default: the newest that holds the step)")
        replay.add_argument("--tensor", metavar="NAME", help="also the values of this tensor before and after")
        replay.add_argument("--row", type=int, help="only this row of the tensor")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        if options["replay"]:
            replay_view.show(self.stdout, settings.WORLD, options)
            return
        self._train(options)

    def _check(self, options: dict[str, Any]) -> None:
        """Usage that argparse cannot tell."""
        is_replay = options["replay"] is not None
        wrong = [name for name in (_FOR_TRAINING if is_replay else _FOR_REPLAY) if options[name] is not None]
        if wrong:
            named = "FILE" if wrong[0] == "file" else f"--{wrong[0].replace('save_every', 'checkpoint-interval')}"
            said = f"{named} goes {'not ' if is_replay else 'only '}with --replay"
            raise CommandError(said, returncode=2)
        if options["row"] is not None and options["tensor"] is None:
            raise CommandError("--row is of a --tensor NAME", returncode=2)
        if options["level"] is not None and options["skill"] is None:
            raise CommandError("--level is of a --skill NAME", returncode=2)
        if options["file"] is not None and not options["file"].is_file():
            raise CommandError(f"{options['file']} is not a file")

    def _train(self, options: dict[str, Any]) -> None:
        world, config = settings.WORLD, settings.REALM
        wanted = Wanted(
            steps=options["steps"],
            seconds=None if options["hours"] is None else options["hours"] * 3600,
            file=options["file"],
            skill=options["skill"],
            level=options["level"],
            save_every=options["save_every"],
            resume=options["resume"],
        )
        train = running_arena.follow if arena_status.daemon_alive(world) else own_arena.train
        teller = Teller(self.stderr if options["json"] else self.stdout, wanted.steps)
        with quiet_console(), teller.shown():
            follower, ended_by, reason, received = train(world, config, wanted, teller)
            result = result_of(world, config.hero, follower, ended_by=ended_by, reason=reason, log=LOG_FILE)
            teller.say(result.line)
        if options["json"]:
            write_json(self.stdout, result)
        if received.number is not None:
            if reason:
                self.stderr.write(reason)
            sys.exit(received.exit_code)
        if ended_by in (EndedBy.REST, EndedBy.TROUBLE) or reason:
            raise CommandError(reason)
