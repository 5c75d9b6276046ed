"""An account in a world's database, without a process that makes it; tests of the command make theirs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from django.contrib.auth.hashers import Argon2PasswordHasher

from realm.world import World

PASSWORD = "moth-lantern-7"


def make_account(world: World, name: str) -> None:
    """It may do everything, by PASSWORD."""
    hasher = Argon2PasswordHasher()
    row = {
        "username": name, "password": hasher.encode(PASSWORD, hasher.salt()), "is_superuser": 1, "is_staff": 1,
        "is_active": 1, "first_name": "", "last_name": "", "email": "", "date_joined": "2026-01-01 00:00:00",
    }  # fmt: skip
    with closing(sqlite3.connect(world.database)) as database, database:
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO auth_user ({', '.join(row)}) VALUES ({marks})", list(row.values()))
