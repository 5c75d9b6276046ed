"""Another hero is to fight: the battle under way is saved first, and waits for its own."""

from __future__ import annotations

from django.conf import settings as django_settings

from arena.chronicle import HERO_CHANGED
from arena.daemon import battles
from arena.daemon.chronicle_outbox import Outbox
from arena.daemon.settings import Settings
from arena.daemon.trainer.process import TrainerProcess
from arena.protocol import Command
from realm.config_follower import with_hero_of
from realm.strict import BadConfig
from realm.world import World


class HeroChange:
    def __init__(self, world: World, settings: Settings, outbox: Outbox) -> None:
        self._world, self._settings, self._outbox = world, settings, outbox
        self._asked = False
        """Whether the running battle was told to pause because of it."""
        self._others_wait = False
        """Whether no battle but the hero's own stands as one that is fought."""

    def look(self, trainer: TrainerProcess, *, running: bool) -> bool:
        """Whether another hero fights from now on: the one whom the settings name."""
        self._settings.refresh()
        wanted = self._settings.next_hero
        if not (wanted or self._others_wait):
            battles.leave_to_wait(self._settings.config.hero)
            self._others_wait = True
        if wanted and running:
            if not self._asked:
                trainer.send(Command.PAUSE)
            self._asked = True
            return False
        self._asked = False
        return bool(wanted) and self._take_on()

    def _take_on(self) -> bool:
        before = self._settings.config.hero
        try:
            self._settings.take_on()
        except BadConfig:  # changed since they were read; the next reading tells it
            return False
        hero = self._settings.config.hero
        if hero == before:  # named again while its battle was saved
            return False
        django_settings.REALM = with_hero_of(django_settings.REALM, self._settings.config)
        self._outbox.add(
            HERO_CHANGED, f"{hero} fights from now on; {before} keeps what it has learned", hero=hero, before=before
        )
        # What fails from here on is done again: at the next look, and as a battle is opened.
        self._others_wait = False
        battles.ensure_hero(self._world, self._settings.config)
        return True
