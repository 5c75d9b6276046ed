"""The database that the settings name, in Django's words."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

import environ

from realm.strict import BadConfig
from realm.world import World

DRIVER_MISSING = "database_url: the driver of PostgreSQL is not installed: .venv/bin/pip install 'psycopg[binary]>=3.3'"
POSTGRESQL = "django.db.backends.postgresql"
_SQLITE = "django.db.backends.sqlite3"
_SQLITE_OPTIONS = {
    # Two processes write (daemon and web), so a transaction takes its write lock at once and waits for it.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
_POSTGRESQL_OPTIONS = {
    "application_name": "realm",
    "connect_timeout": 5,
    # A server that vanished with its machine is given up after half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": "-c lock_timeout=20s -c idle_in_transaction_session_timeout=10min",
}
_OF_OPTIONS = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
"""What may stand behind the `?`, too; in one place, so that pg_dump is told the same."""


def settings_of(world: World, url: str | None) -> dict[str, Any]:
    """Django's settings of that database; without a URL of the world's own file. Raises BadConfig."""
    if not url:
        return {"ENGINE": _SQLITE, "NAME": world.database, "OPTIONS": _SQLITE_OPTIONS}
    found: dict[str, Any] = environ.Env.db_url_config(url)
    options = found.pop("OPTIONS", {})
    if found["ENGINE"] == _SQLITE:
        return found | {"OPTIONS": _SQLITE_OPTIONS | options}
    if find_spec("psycopg") is None:
        raise BadConfig(DRIVER_MISSING)
    named = {key: str(options.pop(name)) for name, key in _OF_OPTIONS.items() if name in options}
    return found | {
        "HOST": unquote(found["HOST"]),
        **named,
        # Under ASGI each request has a thread of its own: connections that outlived it would be nobody's.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": _POSTGRESQL_OPTIONS | options,
    }
