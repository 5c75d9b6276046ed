"""What keeps a daemon from serving, as one sentence of the command that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DatabaseError

from arena.daemon.loop import AnotherDaemon
from realm.databases import database
from realm.databases.watch import DatabaseGone
from realm.newer_world import NewerWorld
from realm.strict import BadConfig
from realm.world import World


@contextmanager
def in_a_sentence(world: World) -> Iterator[None]:
    """Raises CommandError; what is a fault of the realm's own goes on as it is."""
    try:
        yield
    except (AnotherDaemon, BadConfig, DatabaseGone, NewerWorld) as error:
        raise CommandError(str(error)) from error
    except DatabaseError as error:
        why = database.is_a_file_of(world) and database.damage(world.database)
        if not why:
            raise
        raise CommandError(f"the database is damaged ({why}); the next start makes it anew") from error
