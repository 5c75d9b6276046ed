"""How a process logs: readable on its console, and as JSON lines in the folder of its service."""

from __future__ import annotations

import logging
import logging.config
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from realm import config
from realm.logs import levels
from realm.strict import BadConfig
from realm.world import World

OWN = ("realm", "arena", "guild", "vault", "watchtower", "sentinels", "tavern")
"""Their records of every level are made, since the level may change; other libraries begin at `info`."""
COMMANDS = "commands"
"""Where commands log that are no service."""
PLAIN = "realm.logs.json_lines.PlainLines"
STARTED = "service_started"
"""Event of a service that is ready for work."""
log = logging.getLogger(__name__)


def of_process(world: World, service: str, *, level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`. Without a service only the console is written to, as by a notebook."""
    chosen = {"filters": ["level"]} if service else {}
    handlers: dict[str, dict[str, Any]] = {"console": {"class": "logging.StreamHandler", "formatter": "plain"} | chosen}
    if service:
        handlers["lines"] = {
            "()": "realm.logs.handler.JsonLinesHandler",
            "home": str(world.home),
            "service": service,
            "formatter": "json",
        } | chosen
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {"()": PLAIN, "fmt": "{asctime} {levelname} {name}: {message}", "style": "{"},
            "words": {"()": PLAIN, "fmt": "{message}", "style": "{"},
            "json": {"()": "realm.logs.json_lines.JsonLines"},
        },
        "filters": {
            "level": {
                "()": "realm.logs.levels.LevelFilter",
                "path": str(levels.path_of(world)),
                "service": service,
                "default": level,
            }
        },
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": "INFO" if service else level.upper()},
        "loggers": {
            # It tells every request, over the bars of commands and in place of what a task said.
            "httpx2": {"level": "WARNING"},
            # It tells each step of every job.
            "procrastinate": {"level": "WARNING"},
            # It tells each try to reach a server that is away.
            "psycopg.pool": {"level": "ERROR"},
            **({name: {"level": "DEBUG"} for name in OWN} if service else {}),
        },
    }


def start(world: World, service: str, *, heard: bool = False) -> None:
    """In a process without Django, before it does anything worth a line.

    `heard`: its parent takes what stands on its console for its last words, which are its troubles alone, without
    what the files of a battle say.
    """
    told = of_process(world, service, level=level_of(world))
    if heard:
        told["filters"]["last_words"] = {"()": _last_words}
        told["handlers"]["console"] |= {"formatter": "words", "filters": ["last_words"]}
    logging.config.dictConfig(told)
    log_uncaught()


def with_django(settings: Any, service: str) -> None:
    """In a process of Django's, before its setup, which then takes this from the settings."""
    settings.LOGGING = of_process(settings.WORLD, service, level=settings.REALM.log_level)
    log_uncaught()


def _last_words() -> Callable[[logging.LogRecord], bool]:
    return lambda record: record.levelno >= logging.WARNING and not hasattr(record, "battle")


def level_of(world: World) -> str:
    """The setting `log_level`; its default where the settings cannot be read, which others say better."""
    try:
        return config.load(world).log_level
    except (BadConfig, OSError):
        return config.RealmConfig.log_level


def log_uncaught() -> None:
    """What ends a process or a thread is logged before it does."""
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, Exception) or error is None:
        sys.__excepthook__(kind, error or kind(), trace)
        return
    log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace), extra={"event": "uncaught"})
