"""When the pages want a login, and whether anybody could log in."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError

from realm.config import RealmConfig
from realm.web import client_address
from realm.web.guard import Scope
from realm.web.served_hosts import is_loopback

HOW_TO_BEGIN = "make one by `.venv/bin/python manage.py account new NAME`"


def is_needed(scope: Scope) -> bool:
    """Whether this request has to say who asks: where other machines reach the pages, each does."""
    is_passed_on = client_address.PASSED_ON_KEY in scope
    return settings.REALM.needs_login or is_passed_on or not _comes_from_this_machine(scope)


def lack_of_account(config: RealmConfig) -> str:
    """Why the pages may not be served by these settings, with what to do; empty where they may."""
    if not config.needs_login or _is_anybody_here():
        return ""
    where = f"on {config.bind}" if not config.public_origins else f"as {', '.join(config.public_origins)}"
    return (
        f"other machines reach the pages {where}, where they want a login, and there is no account: {HOW_TO_BEGIN}, "
        "or set `bind: 127.0.0.1` and `public_origins: []`"
    )


def _is_anybody_here() -> bool:
    try:
        return get_user_model().objects.filter(is_active=True).exists()
    except DatabaseError:  # no tables yet
        return False


def _comes_from_this_machine(scope: Scope) -> bool:
    """A connection without an address is a Unix socket's."""
    address = client_address.of(scope)
    return not address or is_loopback(address)
