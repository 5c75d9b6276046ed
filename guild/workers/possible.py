"""Whether this world's database can hold jobs."""

from __future__ import annotations

from django.apps import apps
from django.db import connection

NEEDS_POSTGRESQL = (
    "workers take their jobs from PostgreSQL, and this world's database is a file of its own: set database_url, or let "
    "the other machine answer as a host of hosts.yaml with `evaluates: true`, or as a zone (REMOTE_INFERENCE.md)"
)
NEEDS_LIBRARY = (
    "workers need the extra `postgres`: .venv/bin/pip install 'procrastinate>=3.10,<4' 'psycopg[binary]>=3.3'"
)


def why_not() -> str:
    """One sentence; empty where there can be workers."""
    if connection.vendor != "postgresql":
        return NEEDS_POSTGRESQL
    return "" if apps.is_installed("procrastinate.contrib.django") else NEEDS_LIBRARY
