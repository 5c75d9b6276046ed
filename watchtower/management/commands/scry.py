"""`manage.py scry`: the live battle in a terminal."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from rich.console import Console

from arena import orders
from arena.orders import Wish
from realm.management.as_json import add_json, write_json
from watchtower.terminal import beside, keys, screen
from watchtower.terminal.scene import Scene
from watchtower.terminal.watching import Watching
from watchtower.view import NoSuchBattle

LOOK_SECONDS = 1.0
LINE_SECONDS = 5.0
BESIDE_EVERY = 3
"""Looks at the battle for each one at queue and machine."""
_ORDERS = {"p": Wish.PAUSE, "r": Wish.RESUME}


class Command(BaseCommand):
    help = "Watch the battle in this terminal; q or Ctrl+C ends it, p pauses and r resumes the arena."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="show it as it stands now, then end, as in a pipe")
        parser.add_argument("--battle", metavar="ID", help="a past battle (default: the one of now)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self._watching = Watching(settings.WORLD, settings.REALM.hero, options["battle"])
        self._scene = Scene()
        before = signal.signal(signal.SIGTERM, _end)
        try:
            if options["json"]:
                self._write_json()
            elif options["once"] or not self.stdout.isatty():
                self._once()
            elif Console().is_dumb_terminal:
                self._lines()
            else:
                self._screen()
        except NoSuchBattle as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)

    def _look(self) -> None:
        for message in self._watching.messages():
            self._scene.take(message)

    def _look_again(self) -> None:
        """A database that is busy for long is no reason to stop watching."""
        with suppress(OperationalError):
            self._look()

    def _write_json(self) -> None:
        (snapshot,) = self._watching.messages()
        write_json(self.stdout, snapshot | {"beside": beside.look(settings.WORLD, settings.REALM.hero)})

    def _once(self) -> None:
        self._look()
        console = Console()
        shown = screen.render(
            self._scene, beside.look(settings.WORLD, settings.REALM.hero),
            width=console.width, height=24, ascii_only=not _shows_unicode(self.stdout),
        )  # fmt: skip
        self.stdout.write(screen.text_of(shown, width=console.width), ending="")

    def _lines(self) -> None:
        """A line every LINE_SECONDS, and each event as it comes."""
        told = 0
        self._look()
        with keys.pressed() as pressed:
            while True:
                for event in [event for event in self._scene.events if event["seq"] > told]:
                    told = event["seq"]
                    self.stdout.write(screen.said(event["message"]))
                self.stdout.write(screen.one_line(self._scene))
                self.stdout.flush()
                if self._heeded(pressed(LINE_SECONDS)):
                    return
                self._look_again()

    def _screen(self) -> None:
        console = Console()
        self._look()
        looks, found = 0, beside.look(settings.WORLD, settings.REALM.hero)
        with keys.pressed() as pressed, console.screen(hide_cursor=True) as shown:
            while True:
                looks += 1
                if looks % BESIDE_EVERY == 0:
                    found = beside.look(settings.WORLD, settings.REALM.hero)
                width, height = console.size
                ascii_only = not _shows_unicode(sys.stdout)
                shown.update(
                    screen.render(
                        self._scene, found, width=width, height=height, ascii_only=ascii_only, keys=sys.stdin.isatty()
                    )
                )
                if self._heeded(pressed(LOOK_SECONDS)):
                    return
                self._look_again()

    def _heeded(self, key: str) -> bool:
        """Whether it is the one that ends."""
        if key in _ORDERS:
            orders.send(settings.WORLD, wish=_ORDERS[key], by="scry")
        return key == "q"


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def _shows_unicode(stream: Any) -> bool:
    return str(getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
