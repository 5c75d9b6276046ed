"""`manage.py account list|new|password|sessions|end-sessions|remove`."""

from __future__ import annotations

import getpass
import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from guild.management.tables import as_text
from realm.databases.database import migrate_if_needed
from realm.management.as_json import add_json, write_json
from tavern.account import sessions

_MADE_UP_BYTES = 12


class Command(BaseCommand):
    help = "Accounts that log in where other machines reach the pages."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("list", help="every account, with how many sessions it has"))
        new = actions.add_parser("new", help="make one; without --ask a password is made up and shown this once")
        new.add_argument("--no-admin", action="store_true", help="it may play, but opens no page below /admin/")
        password = actions.add_parser("password", help="set another password, which ends every session")
        for each in (new, password):
            each.add_argument("--ask", action="store_true", help="type the password instead of having it made up")
            add_json(each)
        listed = actions.add_parser("sessions", help="where the account is logged in")
        add_json(listed)
        end = actions.add_parser("end-sessions", help="log the account out everywhere, or end one session")
        end.add_argument("--session", metavar="ID", help="this one alone, as `account sessions` has it")
        remove = actions.add_parser("remove", help="it logs in no more; what it did stays")
        for each in (new, password, listed, end, remove):
            each.add_argument("name")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        migrate_if_needed()  # an account comes before the first start
        act = {
            "list": self._list,
            "new": self._new,
            "password": self._password,
            "sessions": self._sessions,
            "end-sessions": self._end_sessions,
            "remove": self._remove,
        }
        act[action](options)

    def _list(self, options: dict[str, Any]) -> None:
        accounts = [
            {
                "name": user.get_username(),
                "admin": user.is_superuser,
                "active": user.is_active,
                "sessions": sessions.of_user(user).count(),
                "last_login": user.last_login,
            }
            for user in User.objects.order_by("username")
        ]
        if options["json"]:
            write_json(self.stdout, accounts)
            return
        table = Table("account", "admin", "active", "sessions", "last login")
        for each in accounts:
            table.add_row(*map(_spell, each.values()))
        self.stdout.write(as_text(table) if accounts else "There is no account yet; `manage.py account new` makes one.")

    def _new(self, options: dict[str, Any]) -> None:
        name = options["name"]
        if User.objects.filter(username=name).exists():
            raise CommandError(
                f"there is an account {name!r} already; `manage.py account password` changes its password"
            )
        is_admin = not options["no_admin"]
        user = User(username=name, is_staff=is_admin, is_superuser=is_admin)
        try:
            user.clean_fields(exclude=["password"])
        except ValidationError as error:
            raise CommandError(f"{name!r}: {' '.join(error.messages)}") from error
        self._set_password(user, options)

    def _password(self, options: dict[str, Any]) -> None:
        user = _named(options["name"])
        self._set_password(user, options)
        sessions.end_all(user)

    def _set_password(self, user: User, options: dict[str, Any]) -> None:
        password = _asked(user) if options["ask"] else secrets.token_urlsafe(_MADE_UP_BYTES)
        user.set_password(password)
        user.save()
        if options["json"]:
            write_json(self.stdout, {"name": user.get_username()} | ({} if options["ask"] else {"password": password}))
        elif options["ask"]:
            self.stdout.write(f"{user.get_username()} can log in")
        else:
            self.stdout.write(password)
            self.stderr.write(f"This is shown once: the password of {user.get_username()}.")

    def _sessions(self, options: dict[str, Any]) -> None:
        found = [
            {
                "id": str(row.public_id),
                "device": row.device,
                "address": row.address,
                "started_at": row.started_at,
                "used_at": row.used_at,
            }
            for row in sessions.of_user(_named(options["name"]))
        ]
        if options["json"]:
            write_json(self.stdout, found)
            return
        table = Table("session", "device", "address", "since", "last used")
        for each in found:
            table.add_row(*map(_spell, each.values()))
        self.stdout.write(as_text(table) if found else f"{options['name']} is logged in nowhere.")

    def _end_sessions(self, options: dict[str, Any]) -> None:
        user, one = _named(options["name"]), options["session"]
        if one and not sessions.end(user, one):
            raise CommandError(f"{options['name']} has no session {one!r}; `manage.py account sessions` shows them")
        self.stdout.write(f"sessions ended: {1 if one else sessions.end_all(user)}")

    def _remove(self, options: dict[str, Any]) -> None:
        _named(options["name"]).delete()
        self.stdout.write(f"{options['name']} is removed")


def _spell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str("--" if value is None else value)


def _named(name: str) -> User:
    found = User.objects.filter(username=name).first()
    if found is None:
        raise CommandError(f"there is no account {name!r}; `manage.py account list` shows them")
    return found


def _asked(user: User) -> str:
    """Raises CommandError unless it is typed twice alike, and good enough."""
    password = getpass.getpass(f"Password for {user.get_username()}: ")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    if getpass.getpass("Once more: ") != password:
        raise CommandError("the two are not the same; nothing was changed")
    return password
