"""`manage.py warmup`: let the oracle load the hero's newest checkpoint, so that the first question need not wait."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guild.errors import GuildError
from guild.evaluation.checkpoints import choose
from realm.hosts import get_host
from realm.oracle.sync_client import HostTrouble, OracleClient
from realm.strict import BadConfig


class Command(BaseCommand):
    help = "Let a host load the hero's newest checkpoint; the default one."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._warm_up(settings.REALM.hero)
        except (GuildError, HostTrouble, BadConfig) as error:
            raise CommandError(str(error)) from error

    def _warm_up(self, hero: str) -> None:
        (newest,) = choose(settings.WORLD, hero, ["newest"])
        host = get_host(None, settings.WORLD, oracle_port=settings.REALM.oracle_port)
        with OracleClient(host) as oracle:
            if any(model.hero == hero and newest.name == model.name for model in oracle.loaded()):
                self.stdout.write(f"{newest} is loaded already on {host.id}")
                return
            model = oracle.load(hero=hero, step=newest.step, name=newest.name)
        self.stdout.write(f"{host.id} loaded {model.id}")
