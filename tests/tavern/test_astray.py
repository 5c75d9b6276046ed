"""What stands where nothing is: a page of the realm with a way back, for each way of going astray."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from pytest_django import Settings

from realm.world import World
from tavern.database_trouble import DatabaseTrouble
from tavern.home import views
from tests.support.tavern_quests import HOSTILE, make_quest

pytestmark = pytest.mark.django_db


def said(client: Client, address: str, status: int = 404) -> str:
    answer = client.get(address)
    html = answer.content.decode()
    assert answer.status_code == status
    assert 'href="/quests"' in html, "the way back"
    assert "css/shared/realm" in html
    return html


def test_what_is_not_there_is_named(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    assert "There is no quest 999, or none any more." in said(client, "/quests/999")
    assert "There is no quest" in said(client, f"/quests/{2**70}")
    assert "has no line 77." in said(client, f"/quests/{quest.pk}/rows/77")
    assert "No page of the realm has this address." in said(client, "/nowhere")


def test_hostile_names_stay_words(world: World, client: Client) -> None:
    quest = make_quest(world, HOSTILE)
    assert "<script>alert" not in said(client, f"/quests/{quest.pk}/rows/77")


def test_a_form_from_elsewhere_is_turned_away_in_words(world: World) -> None:
    answer = Client(enforce_csrf_checks=True).post("/quests/orders", {"do": "resume"})
    assert answer.status_code == 403
    assert "This page is out of date" in answer.content.decode()


def test_a_fault_has_a_page_that_needs_nothing(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "build_snapshot", lambda *given: 1 / 0)
    client.raise_request_exception = False
    assert "Something broke" in said(client, "/", 500)


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_each_stands_without_a_request(name: str) -> None:
    html = render_to_string(f"{name}.html")
    assert re.search(r"<h1>[^<]{10,}</h1>", html)
    assert "<script" not in html
    assert not re.search(r"\sstyle=", html), "the CSP forbids it"


def test_the_icon_that_browsers_ask_for_is_there(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    name = answer.headers["Location"].removeprefix(django_settings.STATIC_URL)
    found = finders.find(re.sub(r"\.[0-9a-f]{12}\.svg$", ".svg", name.lstrip("/")))
    assert found
    assert Path(found).is_file()


@pytest.mark.parametrize("address", ["/", "/quests", "/guild", "/oracle"])
def test_a_database_that_does_not_answer_is_told(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("no such table: <arena_quest>")

    monkeypatch.setattr(CursorWrapper, "execute", refuse)
    html = said(client, address, 503)
    assert "no such table: &lt;arena_quest&gt;" in html
    assert "fills a new one from the world" in html


def test_a_stranger_is_not_told_what_the_database_says(rf: RequestFactory, settings: Settings) -> None:
    middleware, error = DatabaseTrouble(lambda request: HttpResponse()), OperationalError('no server at "db.internal"')
    shown = [middleware.process_exception(rf.get("/login"), error)]
    settings.REALM = replace(settings.REALM, public_origins=("https://realm.example.org",))
    shown.append(middleware.process_exception(rf.get("/login"), error))
    assert [b"db.internal" in page.content for page in shown if page] == [True, False]


def test_twin_without_the_middleware_it_is_an_error_of_the_program(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(CursorWrapper, "execute", refuse)
    monkeypatch.setattr(DatabaseTrouble, "process_exception", lambda *_: None)
    with pytest.raises(OperationalError):
        client.get("/")
