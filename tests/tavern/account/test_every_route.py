"""Beyond loopback no route answers anybody who is not logged in, but those that let in, or say only that all lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.test import Client

from realm.web import tokens
from realm.world import World
from tavern.account.middleware import LoginWhereNeeded
from tests.support import routes

pytestmark = pytest.mark.slow

OPEN = {"/login", "/phone", "/livez", "/favicon.ico", "/admin/login/"}
CHANGING = ("/battle/pause", "/api/training/control", "/v1/files", "/account/sessions", "/notices/add")
"""Of each kind one; who is refused does not depend on the method."""


def check_refused(client: Client, paths: Iterable[str], method: str = "get") -> None:
    for path in paths:
        answer = getattr(client, method)(path)
        assert answer.status_code in (301, 302, 401), (method, path, answer.status_code)
        location = answer.get("Location", "/login")
        assert answer.status_code != 302 or location.startswith(("/login", "/admin/login/")), (path, location)


def test_no_route_answers_who_is_not_logged_in(visitor: Callable[..., Client], world: World) -> None:
    found = {route.path for route in routes.of_django()} - OPEN
    assert len(found) > 200
    check_refused(visitor(), found)
    check_refused(visitor(), CHANGING, "post")


@pytest.mark.parametrize("path", ["/api/quests", "/metrics", "/account"])
def test_twin_without_the_middlewares_check_it_answers(
    path: str, visitor: Callable[..., Client], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoginWhereNeeded, "process_view", lambda self, *asked: None)
    with pytest.raises(AssertionError, match="get"):
        check_refused(visitor(), [path])


def test_programs_are_told_how_and_pages_where(visitor: Callable[..., Client], world: World) -> None:
    client = visitor()
    refused = client.get("/api/quests")
    assert (refused.status_code, refused["Content-Type"]) == (401, "application/problem+json")
    assert refused["WWW-Authenticate"] == "Bearer"
    assert "/login" in refused.json()["detail"]
    assert client.post("/v1/chat/completions", {}, "application/json").json()["error"]["message"]
    assert client.get("/quests?page=2")["Location"] == "/login?next=%2Fquests%3Fpage%3D2"
    asked = {"hx-request": "true", "hx-current-url": "https://realm.example.org/quests"}
    panel = client.get("/panels/hero", headers=asked)
    assert (panel.status_code, panel["HX-Redirect"].startswith("/login?next=")) == (401, True)
    health: Any = client.get("/health").json()
    assert str(world.home) not in str(health)
    assert tokens.PREFIX in health["detail"]
