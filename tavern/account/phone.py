"""A phone is let in by a link that is good once, for three minutes, under one origin.

Its secret stands behind the `#`, which no browser sends and no log holds; the page that opens posts it when its button
is pressed. So who only looks at the link, as a preview of a messenger does, lets nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import segno
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from realm.config import LOOPBACK
from realm.web import origins, served_hosts
from tavern.account.models import PhoneLink

GOOD_FOR = timedelta(minutes=3)
KIND = "phone"
_SECRET_BYTES = 24


@dataclass(frozen=True, kw_only=True)
class ShownLink:
    url: str = field(repr=False)
    svg: str = field(repr=False)
    """A QR code of the address, without style or script."""
    minutes: int


def reachable_origins() -> list[str]:
    """Those under which another device reaches the pages, the player's own first; none on loopback alone."""
    config = settings.REALM
    hosts = served_hosts.of_server(config.bind, config.port, config.public_origins)
    own = hosts.origins - served_hosts.loopback(config.port).origins - set(config.public_origins)
    beyond = config.bind not in LOOPBACK
    return [*config.public_origins, *sorted(own if beyond else ())]


def make(user: User, origin: str) -> ShownLink:
    """A new link; those that this user has made before are good no more. Raises ValueError for a foreign origin."""
    if origin not in reachable_origins():
        raise ValueError("The pages are not reached under this address.")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    now = timezone.now()
    PhoneLink.objects.filter(Q(user_id=user.pk) | ~_is_good_at(now)).delete()
    PhoneLink.objects.create(digest=_digest(secret), user_id=user.pk, origin=origin, expires_at=now + GOOD_FOR)
    url = f"{origin}/phone#{secret}"
    svg = segno.make(url, error="m").svg_inline(scale=6, border=4, dark="#000", light="#fff", omitsize=True)
    return ShownLink(url=url, svg=svg, minutes=GOOD_FOR.seconds // 60)


def use(secret: str, request: HttpRequest) -> User | None:
    """Who made the link, if it is good for this request, which then nobody can repeat; else None."""
    mine = PhoneLink.objects.filter(_is_good_at(timezone.now()), digest=_digest(secret), user__is_active=True)
    link = mine.filter(used_at=None).select_related("user").first()
    if link is None or origins.host_of(link.origin) != request.get_host():
        return None
    is_first = PhoneLink.objects.filter(pk=link.pk, used_at=None).update(used_at=timezone.now())
    return link.user if is_first else None


def _is_good_at(now: datetime) -> Q:
    """A clock that was set back makes none good for longer."""
    return Q(expires_at__gt=now, expires_at__lte=now + GOOD_FOR)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
