"""Tokens of this world, made and revoked for commands and admin, with their rows and lines in the chronicle."""

from __future__ import annotations

from dataclasses import asdict

from realm.web import tokens
from realm.web.tokens import BadTokens, Issued, KnownToken
from realm.world import World
from vault import chronicle
from vault.errors import Refused
from vault.models import Token


def issue(world: World, *, purpose: str, zone: str = "", days: float | None = None, by: str) -> Issued:
    """A new one, whose secret is in this answer and nowhere else. Raises Refused."""
    try:
        issued = tokens.of_world(world).issue(purpose, zone, days)
    except (BadTokens, OSError) as error:
        raise Refused(str(error)) from error
    _put(issued.token)
    made = {"purpose": purpose, "zone": zone} if zone else {"purpose": purpose}
    chronicle.record(world, "token", by=by, token=issued.token.token_id, done="made", **made)
    return issued


def revoke(world: World, token_id: str, *, by: str) -> KnownToken:
    """It opens nothing from now on. Raises Refused."""
    try:
        revoked = tokens.of_world(world).revoke(token_id)
    except (BadTokens, OSError) as error:
        raise Refused(str(error)) from error
    _put(revoked)
    chronicle.record(world, "token", by=by, token=token_id, done="revoked", purpose=revoked.purpose)
    return revoked


def reindex(world: World) -> int:
    """Make the rows those of the file; how many there are. Raises Refused for a file that cannot be read."""
    try:
        known = tokens.of_world(world).list()
    except (BadTokens, OSError) as error:
        raise Refused(str(error)) from error
    for token in known:
        _put(token)
    Token.objects.exclude(token_id__in=[token.token_id for token in known]).delete()
    return len(known)


def _put(token: KnownToken) -> None:
    facts = asdict(token)
    Token.objects.update_or_create(token_id=facts.pop("token_id"), defaults=facts)
