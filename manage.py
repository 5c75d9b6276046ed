#!/usr/bin/env python
"""Django's command line for the realm."""

import importlib
import logging
import os
import re
import sys

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from realm.disk import failing, full
from realm.logs import configuration
from realm.management.command_line import execute_from_command_line
from realm.weaver.services import ARENA, ENGINE_PREFIX, TASKMASTER, TRAINER_PREFIX
from realm.world import World

SETTINGS = "realm.settings"
TRAIN = "train"
"""A training in the foreground logs in its own name, while it lasts."""
TELL_OF_SKILLS = ("arena", "taskmaster")
"""Daemons, whose log is read later. A command says itself what its player must know of a skill, and no more."""


def hush(command: str) -> None:
    if command not in TELL_OF_SKILLS:
        for name in ("guild.skills.registry", "guild.skills.health"):
            logging.getLogger(name).setLevel(logging.ERROR)


def service_of(words: list[str]) -> str:
    """In whose name this command line logs."""
    match words:
        case ["arena", *_]:
            return ARENA
        case ["train", *_]:
            return TRAIN
        case ["taskmaster", *options] if "--daemon" in options:
            return TASKMASTER
        case ["bridge", tool, *options] if "--follow" in options and re.fullmatch("[a-z]{1,40}", tool):
            return f"bridge-{tool}"
        case ["engine", host, *options] if "--show" not in options and re.fullmatch("[A-Za-z0-9_-]{1,40}", host):
            return f"{ENGINE_PREFIX}{host}"
        case ["trainer", skill, *_] if re.fullmatch("[a-z0-9]{1,40}", skill):
            return f"{TRAINER_PREFIX}{skill}"
    return configuration.COMMANDS


def main() -> None:
    if sys.argv[1:2] == ["branch_officer"]:
        sys.exit(branch_officer(sys.argv[2:]))
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS  # never those of another project that the shell names
    try:
        configuration.with_django(importlib.import_module(SETTINGS), service_of(sys.argv[1:]))
    except ImproperlyConfigured as error:
        with_bad_settings(str(error))
    except OSError as error:
        end_if_the_disk_fails(error)
        raise
    else:
        hush(sys.argv[1] if len(sys.argv) > 1 else "")
        execute()


def branch_officer(arguments: list[str]) -> int:
    """It serves a folder of a machine that need have no world, no settings and no database."""
    from vault.officer.__main__ import main as serve

    return serve(arguments)


def execute() -> None:
    """A reader that has seen enough, such as `head`, is no fault, nor is a world that was not started yet."""
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except DatabaseError as error:
        end_if_the_disk_fails(error)
        from realm.databases import unready as unready_database  # needs the settings

        sys.exit(unready_database.sentence(error))
    except KeyboardInterrupt:  # while it loads, or of a command that heeds it not
        sys.exit(130)  # 128 + SIGINT, as of a program that the signal ends
    except BrokenPipeError:
        # Else Python says it once more when it flushes what is left at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # 128 + SIGPIPE, as of a program that the signal ends
    except OSError as error:
        end_if_the_disk_fails(error)
        raise


def end_if_the_disk_fails(error: Exception) -> None:
    """With one sentence; what else went wrong is left to the caller."""
    if full.is_full(error):
        sys.exit(full.sentence(World.from_environment().home))
    if isinstance(error, OSError) and failing.is_failing(error):
        sys.exit(failing.sentence(error, World.from_environment().home))


def with_bad_settings(sentence: str) -> None:
    """Nothing starts, but what runs can still be stopped: that needs the world and no setting."""
    if sys.argv[1:] == ["weave", "--stop"]:
        from realm.config import RealmConfig
        from realm.weaver import verbs

        stopped = verbs.stop(World.from_environment(), RealmConfig())
        print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
        print(f"Before the next start: {sentence}")
        return
    sys.exit(sentence)


if __name__ == "__main__":
    main()
