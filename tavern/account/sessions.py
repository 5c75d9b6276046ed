"""The session engine (`SESSION_ENGINE`), and what is done with sessions by their owner."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.auth.models import User
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tavern.account.devices import device_of
from tavern.account.models import LoginSession

NOTED_EVERY = timedelta(minutes=1)
_ABOUT = "about"
"""Under which a session holds what its row shows."""


class SessionStore(db.SessionStore):
    """Django's own, whose rows tell whose they are."""

    @classmethod
    def get_model_class(cls) -> type[LoginSession]:
        return LoginSession

    def create_model_instance(self, data: dict[str, Any]) -> LoginSession:
        row = cast(LoginSession, super().create_model_instance(data))
        about: Mapping[str, str] = data.get(_ABOUT, {})
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.public_id = uuid.UUID(about["public_id"]) if about else uuid.uuid4()
        row.device, row.address = about.get("device", ""), about.get("address", "")
        row.started_at, row.used_at = _moment(about.get("started_at")), _moment(about.get("used_at"))
        return row


def begin(request: HttpRequest, *, kind: str = "") -> None:
    """Write down where and by what this session, just logged in, was begun. `kind` stands before the device."""
    now = timezone.now().isoformat()
    device = device_of(request.headers.get("User-Agent", ""))
    request.session[_ABOUT] = {
        "public_id": str(uuid.uuid4()),
        "device": f"{kind}: {device}" if kind else device,
        "address": address_of(request),
        "started_at": now,
        "used_at": now,
    }


def note_use(request: HttpRequest) -> None:
    """Once a minute: the session's time starts anew, here and in the browser."""
    about = request.session.get(_ABOUT)
    if about is None:  # begun by another door
        begin(request)
        return
    used_at = _moment(about["used_at"])
    if used_at is None or abs(timezone.now() - used_at) >= NOTED_EVERY:
        request.session[_ABOUT] = about | {"used_at": timezone.now().isoformat(), "address": address_of(request)}


def address_of(request: HttpRequest) -> str:
    """Of who asks, as `realm.web.client_address` has found it."""
    return str(request.META.get("REMOTE_ADDR", ""))[:45]


def account_of(session_key: str) -> User | None:
    """Who is logged in by this key now; None after its end, and after a change of password or of the account."""
    asked = HttpRequest()
    asked.session = SessionStore(session_key)
    user = get_user(asked)
    return user if isinstance(user, User) else None


def of_user(user: User) -> QuerySet[LoginSession]:
    return LoginSession.objects.filter(user_id=user.pk, expire_date__gt=timezone.now())


def end(user: User, public_id: str) -> bool:
    """Returns whether there was such a session of this user's."""
    try:
        found = LoginSession.objects.filter(user_id=user.pk, public_id=uuid.UUID(public_id))
    except ValueError:
        return False
    return bool(found.delete()[0])


def end_all(user: User, *, but: SessionBase | None = None) -> int:
    """How many were ended."""
    found = LoginSession.objects.filter(user_id=user.pk)
    kept = found.exclude(session_key=but.session_key) if but is not None else found
    return kept.delete()[0]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
