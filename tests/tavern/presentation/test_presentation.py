"""What a player chose of how pages look stands on `<html>` before anything is drawn."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client

from realm.strict import BadConfig
from tavern.presentation import kept, notation
from tavern.presentation.choices import Presentation
from tavern.presentation.models import PresentationChoice
from tavern.presentation.notation import Notation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]


def asked(account: User | None = None) -> HttpRequest:
    request = HttpRequest()
    if account:
        request.logged_in = account  # type: ignore[attr-defined]
    return request


def attributes(client: Client, address: str) -> dict[str, str]:
    tag = re.search(r"<html ([^>]*)>", client.get(address).content.decode())
    assert tag
    return dict(re.findall(r'data-([\w-]+)="([^"]*)"', tag[1]))


def test_pages_say_what_was_chosen_also_where_there_is_none(client: Client) -> None:
    assert attributes(client, "/notices")["theme"] == "lamplit"
    kept.save(asked(), {"theme": "parchment", "text_size": 120, "motion": "off", "numbers": "compact"})
    for address in ("/notices", "/no-such-page"):
        said = attributes(client, address)
        assert (said["theme"], said["text-size"], said["motion"], said["numbers"]) == (
            "parchment",
            "120",
            "off",
            "compact",
        )


def test_the_browser_decides_what_is_left_to_it() -> None:
    assert "motion" not in Presentation().attributes()
    assert Presentation(theme="system").attributes()["theme-of"] == "system"


def test_each_account_has_its_own() -> None:
    ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
    kept.save(asked(ann), {"theme": "contrast"})
    assert [kept.of(asked(who)).theme for who in (ann, bob, None)] == ["contrast", "lamplit", "lamplit"]


@pytest.mark.parametrize(
    "change", [{"theme": "neon"}, {"text_size": 95}, {"volume": 101}, {"silent": ["loud"]}, {"sound": "yes"}, {"x": 1}]
)
def test_what_cannot_be_is_refused_and_nothing_kept(change: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match=next(iter(change))):
        kept.save(asked(), change)
    assert not PresentationChoice.objects.exists()


def test_a_key_of_another_version_is_left_out() -> None:
    PresentationChoice.objects.create(choices={"theme": "parchment", "wings": 2, "volume": 900})
    assert kept.of(asked()) == Presentation(theme="parchment")


def test_the_database_is_asked_once(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert [kept.of(asked()) for _ in range(3)] == [Presentation()] * 3


def test_twin_without_memory_each_page_asks(django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FRESH_SECONDS", -1)
    with django_assert_num_queries(3):
        assert [kept.of(asked()) for _ in range(3)] == [Presentation()] * 3


def test_a_choice_of_another_process_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kept.of(asked())
    monkeypatch.setattr(kept, "_seen", other := dict(kept._seen))
    kept.save(asked(), {"theme": "contrast"})
    other[next(iter(other), (kept.settings.WORLD.home, None))] = kept._Seen(Presentation(), None, kept.time.monotonic())
    assert kept.of(asked()).theme == "contrast"


def test_a_silent_database_leaves_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept.save(asked(), {"theme": "parchment"})
    kept.of(asked())
    monkeypatch.setattr(kept, "FRESH_SECONDS", -1)

    def silent(owner: int | None) -> dict[str, Any]:
        raise OperationalError("no")

    monkeypatch.setattr(kept, "_choices", silent)
    assert kept.of(asked()).theme == "parchment"
    assert kept.of(None).theme == "parchment"


def test_whole_numbers_are_short_for_who_wants_them_so() -> None:
    template = Template("{% load tavern %}{{ n|whole }}")

    def page(number: int) -> str:
        made = Notation(lambda request: HttpResponse(template.render(Context({"n": number}))))
        return made(asked()).content.decode()

    assert page(128_900) == "128,900"
    kept.save(asked(), {"numbers": "compact"})
    assert [page(128_900), page(999)] == ["128k", "999"]
    assert notation.whole(128_900) == "128,900"
