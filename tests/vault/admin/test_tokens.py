"""A token made in the admin: its secret is in one answer and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.contrib.sessions.models import Session
from django.test import Client

from realm.web import tokens
from realm.world import World
from vault.models import HistoryEntry, Token


def test_a_secret_is_shown_once_works_and_is_revoked(admin_of: Callable[..., Client], world: World) -> None:
    client = admin_of()
    reply = client.post("/admin/vault/token/add/", {"purpose": "api", "zone": "", "days": "7"})
    [secret] = re.findall(r"rot_[\w-]{43}", reply.content.decode())
    assert "no-store" in reply.headers["Cache-Control"]
    assert tokens.of_world(world).check(secret, "api")
    row = Token.objects.get()
    for place in ("", "add/", f"{row.pk}/change/", f"{row.pk}/history/"):
        assert secret not in client.get(f"/admin/vault/token/{place}").content.decode()
    assert secret not in str([session.get_decoded() for session in Session.objects.all()])
    client.post(f"/admin/vault/token/{row.pk}/actions/revoke/", {"confirmed": "yes"})
    assert tokens.of_world(world).check(secret, "api") is None
    assert list(HistoryEntry.objects.values_list("action", "by")) == [("token", "admin"), ("token", "admin")]


def test_a_viewer_makes_and_revokes_none(admin_of: Callable[..., Client], world: World) -> None:
    client = admin_of("view_token")
    assert client.post("/admin/vault/token/add/", {"purpose": "api"}).status_code == 403
    assert not Token.objects.exists()
    assert "/admin/vault/token/add/" not in client.get("/admin/vault/token/").content.decode()


def test_what_cannot_be_is_said_in_the_form(admin_of: Callable[..., Client], world: World) -> None:
    page = admin_of().post("/admin/vault/token/add/", {"purpose": "all", "days": "0"}).content.decode()
    assert "Select a valid choice" in page
    assert "greater than or equal to 1" in page
    assert not Token.objects.exists()
