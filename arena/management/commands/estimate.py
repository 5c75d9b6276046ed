"""`manage.py estimate FILE [--preset NAME] [--set KEY=VALUE]`."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena.estimate import Memory, UnknownShape
from arena.preview.quest_estimate import Outlook, outlook
from arena.profiles import quest_recipe
from arena.profiles.resolving import Resolved, resolve
from arena.rows.model import UnreadableQuest
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import UnusableTokenizer
from realm import config
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig

MOST_PAST = 5
_NAMES = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer moments",
    "activations": "activations",
    "logits": "logits",
    "heap": "heap between tensors",
    "copies": "copy for checkpoints",
    "process": "process itself",
}


class Command(BaseCommand):
    help = "About how much memory and time a quest would take; how far off such estimates were."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--preset", help="instead of the one in force")
        parser.add_argument(
            "--set", action="append", default=[], dest="pairs", metavar="KEY=VALUE", help="of the recipe"
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            resolved = self._resolved(options["file"], options["preset"], options["pairs"])
            seen = outlook(settings.WORLD, settings.REALM, resolved, options["file"])
        except (BadConfig, UnknownShape, UnreadableQuest, UnusableTokenizer, MaskingError, Overrun) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            write_json(self.stdout, {"file": options["file"], "peak_bytes": seen.memory.peak, "estimate": seen})
            return
        self._show_quest(options["file"], seen)
        self._show_memory(seen.memory, seen)
        self._show_past(seen)

    def _resolved(self, path: Path, preset: str | None, pairs: list[str]) -> Resolved:
        """By the quest's own recipe where one lies beside it, and what is named here over that."""
        own = quest_recipe.read_beside(settings.WORLD, path)
        named = {"preset": preset} if preset is not None else {}
        keys = own | named | quest_recipe.check_keys(settings.WORLD, config.parse_pairs(pairs), source="--set")
        source = "--preset" if named else "--set" if pairs else "recipe"
        return resolve(settings.WORLD, settings.REALM, keys, source=source)

    def _show_quest(self, path: Path, seen: Outlook) -> None:
        say, shape, recipe = self.stdout.write, seen.shape, seen.resolved.recipe
        body = shape.parameters - shape.embedding * (1 if shape.tied else 2)
        head = "tied to it" if shape.tied else f"{shape.embedding / 1e6:.2f} M"
        say(f"model     {shape.parameters / 1e6:.2f} M parameters: body {body / 1e6:.2f} M,")
        say(f"          embedding {shape.embedding / 1e6:.2f} M, head {head}")
        report = seen.report
        by = f" (profile {seen.resolved.profile})" if seen.resolved.profile else ""
        say(f"recipe    {seen.resolved.reason}{by}")
        if seen.resolved.question:
            say(f"          {seen.resolved.question}")
        say(f"quest     {path.name}: {report.taken} of {report.rows} rows would be taken")
        for kind, count in report.refused_by_kind.items():
            first = next((refusal for refusal in report.refused if refusal.kind == kind), None)
            say(f"          {count} refused ({kind})" + (f", line {first.line}: {first.reason}" if first else ""))
        if report.fault:
            say(f"          The quest as a whole would be refused: {report.fault.reason}")
        if report.tokens is None:
            say("steps     not known: the hero's tokenizer is not on this machine yet")
        else:
            say(f"steps     {report.steps} ({report.tokens} tokens, {recipe.epochs} epoch(s), mode {recipe.mode})")
        if seen.seconds is None:
            say("time      not known: no battle of this size was fought on this device yet")
        elif seen.based_on:
            say(f"time      about {seen.seconds:.0f} s, at the speed of {seen.based_on.battle}")
        if seen.exchange:
            say(f"processes {recipe.processes} ({recipe.strategy}). {seen.exchange.sentence}")

    def _show_memory(self, memory: Memory, seen: Outlook) -> None:
        say, machine = self.stdout.write, seen.machine
        say(f"memory    about {memory.peak / 1e6:.0f} MB of {machine.memory_bytes / 1e6:.0f} MB ({machine.device})")
        for name, size in asdict(memory).items():
            if name in _NAMES and size is not None:
                say(f"          {size / 1e6:10.1f} MB  {_NAMES[name]}")
        if memory.process is None and not machine.cuda:
            say("                 --     process itself: measured when the first battle begins, and not in the sum")
        if memory.peak > machine.memory_bytes:
            say(
                "          That is more than there is: lower rows_per_micro_batch or max_length, or train in mode lora."
            )

    def _show_past(self, seen: Outlook) -> None:
        errors = [battle.memory_error for battle in seen.past if battle.memory_error is not None]
        if not errors:
            self.stdout.write("errors    none known yet: no estimate was held against a whole battle")
            return
        for battle in seen.past[:MOST_PAST]:
            seconds = "--" if battle.seconds_error is None else f"{battle.seconds_error:+.1%}"
            self.stdout.write(f"errors    {battle.battle}: memory {battle.memory_error:+.1%}, time {seconds}")
        mean = fmean(map(abs, errors))
        self.stdout.write(f"          of memory in the mean {mean:.1%}, over {len(errors)} battles")
