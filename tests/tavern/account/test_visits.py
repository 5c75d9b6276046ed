"""Where pages want a login, who was here last is known by account, from whichever browser."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from realm.world import World
from tavern.models import Visitor
from tests.support.accounts import PASSWORD


def test_an_account_is_one_visitor_in_all_its_browsers(
    world: World, logged_in: Client, visitor: Callable[..., Client], mira: User
) -> None:
    other = visitor()
    other.post("/login", {"username": "mira", "password": PASSWORD})
    for client in (logged_in, other):
        answer = client.post("/away/seen", headers={"HX-Request": "true"})
        assert answer.status_code == 200
        assert not [name for name in answer.cookies if name.startswith("realm-visitor")]
    assert Visitor.objects.get().user == mira
