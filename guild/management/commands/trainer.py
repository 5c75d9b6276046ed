"""`manage.py trainer SKILL [--port N]`: serves a skill's trainer until it is stopped."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from guild.errors import GuildError
from guild.skills.registry import Skill, get_skill, get_trainer
from guild.skills.server import HOST, serve
from realm.web.serve import CannotServe

LARGEST_PORT = 65535


class Command(BaseCommand):
    help = "Serve a skill's trainer by the trainer protocol; on this machine only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("skill", metavar="SKILL")
        parser.add_argument("--port", type=int, help="default: that of the skill's api_url")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            skill = get_skill(options["skill"])
            port = _port(skill, options["port"])
            trainer = get_trainer(skill.name)
            self.stdout.write(f"The trainer of {skill.name} serves http://{HOST}:{port} until it is stopped.")
            self.stdout.flush()
            serve(skill, trainer, port)
        except KeyboardInterrupt:
            return
        except (GuildError, CannotServe) as error:
            raise CommandError(str(error)) from error


def _port(skill: Skill, wanted: int | None) -> int:
    """Raises CommandError."""
    if skill.kind == "http":
        raise CommandError(f"The trainer of {skill.name} is a server already, at {skill.api_url}: there is no other.")
    port = wanted if wanted is not None else urlsplit(skill.api_url or "").port
    if port is None:
        raise CommandError(f"Skill {skill.name} has no api_url with a port: choose one with --port.")
    if not 1 <= port <= LARGEST_PORT:
        raise CommandError(f"{port} is no port; allowed are 1 to {LARGEST_PORT}.")
    return port
