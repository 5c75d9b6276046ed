"""Why a command cannot work with the world's database, in one sentence for whoever typed it."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from realm.databases.database import is_behind

START = "scripts/start_all.sh"


def sentence(error: DatabaseError) -> str:
    """What keeps the database from answering, and what to do; `error` is what was met when it was asked."""
    try:
        with connection.cursor() as cursor:
            tables = connection.introspection.table_names(cursor)
        if MigrationRecorder.Migration._meta.db_table not in tables:
            return f"this world was not started yet: {START} (its folder is {settings.WORLD.home})"
        if is_behind():
            return f"this world's database is of an older release: {START} brings it up to date"
    except DatabaseError as broken:
        error = broken
    return f"the database of {settings.WORLD.home} cannot be used: {error}; see TROUBLESHOOTING.md"
