"""`manage.py tokens`, the rows that the admin shows, and who made which."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from realm.web import tokens as stored
from realm.world import World
from vault import chronicle, tokens
from vault.models import Token

pytestmark = pytest.mark.django_db


def call(*arguments: str) -> str:
    out = StringIO()
    call_command("tokens", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_made_listed_and_revoked(world: World) -> None:
    assert "no token yet" in call("list")
    secret = call("new", "--purpose", "zone", "--zone", "3090").strip()
    assert stored.of_world(world).check(secret, "zone", zone="3090")
    assert secret not in call("list")
    (listed,) = json.loads(call("list", "--json"))
    assert (listed["purpose"], listed["zone"]) == ("zone", "3090")
    call("revoke", listed["token_id"])
    assert stored.of_world(world).check(secret, "zone") is None
    row = Token.objects.get()
    assert row.token_id == listed["token_id"]
    assert row.revoked_at is not None
    lines = list(chronicle.read(world))
    assert [(line.by, line.details["done"]) for line in lines] == [
        ("command line", "made"),
        ("command line", "revoked"),
    ]
    assert secret not in (world.vault / chronicle.FILE).read_text()


def test_what_cannot_be_is_said_in_words(world: World) -> None:
    with pytest.raises(CommandError, match="there is no token 'rot_none'"):
        call("revoke", "rot_none")
    with pytest.raises(CommandError, match="days: -1"):
        call("new", "--purpose", "read", "--days", "-1")
    (world.secrets / stored.FILE).write_text("{")
    with pytest.raises(CommandError, match=r"tokens\.json"):
        call("list")


def test_rows_are_made_anew_from_the_file(world: World) -> None:
    kept = tokens.issue(world, purpose="read", by="admin").token
    Token.objects.all().delete()
    Token.objects.create(token_id="rot_forged00", purpose="api", created_at=kept.created_at)
    assert tokens.reindex(world) == 1
    assert list(Token.objects.values_list("token_id", "purpose")) == [(kept.token_id, "read")]
