"""Who asks, known by account or cookie; rows are made by whoever was here, never by looking."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tavern.models import Visitor
from watchtower import selectors

COOKIE = f"realm-visitor-{settings.REALM.port}"
COOKIE_DAYS = 400
KEPT_DAYS = 400
"""Browsers that did not come back for so long are forgotten."""
LONG_AWAY = timedelta(minutes=5)


def visitor_of(request: HttpRequest) -> Visitor | None:
    """None for who was never here. Raises DatabaseError."""
    if account := getattr(request, "logged_in", None):
        return Visitor.objects.filter(user=account).first()
    try:
        key = UUID(request.COOKIES.get(COOKIE, ""))
    except ValueError:
        return None
    return Visitor.objects.filter(key=key, user=None).first()


def visitor_made(request: HttpRequest, response: HttpResponse) -> Visitor:
    """The same; one who is new gets a row, and the answer a cookie. What was told before is no news to them."""
    if known := visitor_of(request):
        return known
    now = timezone.now()
    Visitor.objects.filter(seen_at__lt=now - timedelta(days=KEPT_DAYS)).delete()
    first = {"seen_at": now, "read_seq": selectors.newest_seq()}
    if account := getattr(request, "logged_in", None):
        return Visitor.objects.get_or_create(user=account, defaults=first)[0]
    made = Visitor.objects.create(key=uuid4(), **first)
    response.set_cookie(COOKIE, str(made.key), max_age=COOKIE_DAYS * 86400, httponly=True, samesite="Strict")
    return made


def note_seen(visitor: Visitor) -> None:
    """Somebody looks now."""
    visitor.seen_at = timezone.now()
    visitor.save(update_fields=["seen_at"])


def gap_of(visitor: Visitor | None, now: datetime | None = None) -> timedelta:
    """Since somebody looked last, by the server's clock; none for who was never here, or after a clock was set back."""
    if visitor is None:
        return timedelta()
    return max(timedelta(), (now or timezone.now()) - visitor.seen_at)
