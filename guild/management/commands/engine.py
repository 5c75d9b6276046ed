"""`manage.py engine HOST`: keeps an engine of hosts.yaml serving; `--show` says how one is started by hand."""

from __future__ import annotations

import shlex
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guild.engines import commands, making
from guild.engines.keeper import EngineEnded, Keeper
from guild.errors import GuildError
from realm.disk import durable
from realm.hosts import Host, Start, UnknownHost, read_hosts
from realm.strict import BadConfig


class Command(BaseCommand):
    help = "Keep a llama.cpp or vLLM server of hosts.yaml serving a proven checkpoint, until Ctrl+C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", metavar="HOST", help="its id in hosts.yaml")
        parser.add_argument("--show", action="store_true", help="make the file, say how it is served by hand, and end")
        parser.add_argument("--checkpoint", metavar="WHICH", help="with --show: newest, best, a step or a name")

    def handle(self, *args: Any, **options: Any) -> None:
        ending = threading.Event()
        try:
            host = read_hosts(settings.WORLD).find_inference(options["host"])
            if not host.is_engine:
                raise CommandError(f"{host.id} is of kind {host.kind}; engines are vllm, llamacpp and ollama")
            if options["show"]:
                self._show(host, options["checkpoint"], ending)
                return
            if options["checkpoint"]:
                raise CommandError("--checkpoint goes with --show; what is served stands under start in hosts.yaml")
            if host.start is None:
                raise CommandError(f"{host.id} has no start in hosts.yaml, so somebody else starts it")
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ending.set())
            Keeper(settings.WORLD, host, settings.REALM.hero, ending).run()
        except (UnknownHost, BadConfig, GuildError, EngineEnded, OSError) as error:
            raise CommandError(str(error)) from error

    def _show(self, host: Host, wish: str | None, ending: threading.Event) -> None:
        start = host.start or Start()
        checkpoint = making.meant(settings.WORLD, settings.REALM.hero, wish or start.checkpoint)
        told, made = making.made_of(settings.WORLD, host, checkpoint, ending)
        if host.kind == "ollama":
            durable.write_bytes(commands.modelfile_of(made), commands.modelfile(made).encode(), sync=False)
        for command in commands.by_hand(host, told.id, made):
            self.stdout.write(shlex.join(command))
