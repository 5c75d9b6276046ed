"""Sessions are listed and ended by their owner; a new password ends all others; a phone gets in once, by a button."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import Q
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tavern.account import phone, sessions
from tavern.account.devices import device_of
from tavern.account.models import LoginSession, PhoneLink
from tests.support.accounts import PASSWORD
from tests.tavern.account.conftest import HOST, PUBLIC

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
    "Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("curl/8.14.1", "curl"), ("", "unknown device"), ("\x1b[2J<b>", "[2J<b>"),
    ],
)  # fmt: skip
def test_a_device_in_words(says: str, words: str) -> None:
    assert device_of(says) == words


def another(visitor: Callable[..., Client], **headers: str) -> Client:
    client = visitor(**headers)
    client.post("/login", {"username": "mira", "password": PASSWORD})
    return client


def test_sessions_are_listed_without_their_keys_and_ended_one_by_one(
    logged_in: Client, visitor: Callable[..., Client]
) -> None:
    other = another(visitor, user_agent=IPHONE)
    page = logged_in.get("/account").content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert page.count("this one") == 1
    assert not [key for key in LoginSession.objects.values_list("session_key", flat=True) if key in page]
    mine = LoginSession.objects.get(session_key=other.session.session_key)
    assert logged_in.post("/account/sessions", {"session": str(mine.public_id)}).status_code == 302
    assert other.get("/account").status_code == 302
    assert logged_in.get("/account").status_code == 200


def test_all_others_end_at_once(logged_in: Client, visitor: Callable[..., Client]) -> None:
    others = [another(visitor), another(visitor)]
    logged_in.post("/account/sessions")
    assert [client.get("/account").status_code for client in (logged_in, *others)] == [200, 302, 302]


def check_strangers_session_stays(logged_in: Client, visitor: Callable[..., Client]) -> None:
    User.objects.create_user("ole", password=PASSWORD)
    ole = visitor()
    ole.post("/login", {"username": "ole", "password": PASSWORD})
    row = LoginSession.objects.get(user__username="ole")
    logged_in.post("/account/sessions", {"session": str(row.public_id)})
    logged_in.post("/account/sessions", {"session": "no uuid"})
    assert ole.get("/account").status_code == 200


def test_nobody_ends_anothers_session(logged_in: Client, visitor: Callable[..., Client]) -> None:
    check_strangers_session_stays(logged_in, visitor)


def test_twin_that_asks_not_whose_session_it_is(
    logged_in: Client, visitor: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sessions, "end", lambda user, public_id: LoginSession.objects.filter(user__username="ole").delete()[0]
    )
    with pytest.raises(AssertionError):
        check_strangers_session_stays(logged_in, visitor)


def test_a_new_password_ends_all_other_sessions(logged_in: Client, visitor: Callable[..., Client]) -> None:
    other = another(visitor)
    form = {"old_password": "wrong", "new_password1": "heron-quarry-9", "new_password2": "heron-quarry-9"}
    assert logged_in.post("/account/password", form).status_code == 422
    assert other.get("/account").status_code == 200
    assert logged_in.post("/account/password", form | {"old_password": PASSWORD}).status_code == 302
    assert (logged_in.get("/account").status_code, other.get("/account").status_code) == (200, 302)
    assert sessions.of_user(User.objects.get()).count() == 1


def test_a_weak_password_is_refused(logged_in: Client) -> None:
    form = {"old_password": PASSWORD, "new_password1": "12345678", "new_password2": "12345678"}
    page = logged_in.post("/account/password", form).content.decode()
    assert "too common" in page
    described = " ".join(re.findall(r'aria-describedby="([^"]+)"', page)).split()
    assert described
    assert not [name for name in described if f'id="{name}"' not in page]


def code(logged_in: Client, monkeypatch: pytest.MonkeyPatch, origin: str = PUBLIC) -> str:
    """The secret of a link that is shown as a picture."""
    shown: list[str] = []
    made = phone.segno.make
    monkeypatch.setattr(phone.segno, "make", lambda url, **how: (shown.append(url), made(url, **how))[1])
    page = logged_in.post("/account/phone", {"origin": origin})
    assert re.search(r'<div class="code">\s*<svg', page.content.decode())
    assert "style=" not in page.content.decode()
    monkeypatch.undo()
    (url,) = shown
    place, _, secret = url.partition("#")
    assert place == f"{origin}/phone"
    assert secret not in page.content.decode()
    return secret


def check_let_in_once(logged_in: Client, visitor: Callable[..., Client], secret: str) -> None:
    mine, late = visitor(user_agent=IPHONE), visitor()
    for looked in (mine.get("/phone"), mine.get("/phone", {"key": secret})):
        assert looked.status_code == 200
    assert mine.get("/account").status_code == 302
    assert mine.post("/phone", {"key": secret}).status_code == 302
    assert mine.get("/account").status_code == 200
    assert late.post("/phone", {"key": secret}).status_code == 403
    assert late.get("/account").status_code == 302


def test_a_phone_is_let_in_once_by_the_button_and_named(
    logged_in: Client, visitor: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = code(logged_in, monkeypatch)
    assert secret not in str(PhoneLink.objects.values())
    check_let_in_once(logged_in, visitor, secret)
    assert LoginSession.objects.filter(device="phone: Safari on iPhone", user__username="mira").count() == 1


def test_twin_whose_link_is_not_used_up_lets_in_twice(
    logged_in: Client, visitor: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = code(logged_in, monkeypatch)
    monkeypatch.setattr(phone, "use", lambda key, request: PhoneLink.objects.get().user)
    with pytest.raises(AssertionError):
        check_let_in_once(logged_in, visitor, secret)


@pytest.mark.parametrize("why", ["late", "of a clock set back", "elsewhere", "another code", "made anew", "inactive"])
def test_a_link_is_refused(
    why: str, logged_in: Client, visitor: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    secret = code(logged_in, monkeypatch)
    client = visitor()
    if why == "late":
        PhoneLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif why == "of a clock set back":
        PhoneLink.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    elif why == "elsewhere":
        settings.ALLOWED_HOSTS = ["other.example", HOST]
        client = visitor(host="other.example")
    elif why == "made anew":
        code(logged_in, monkeypatch)
    elif why == "inactive":
        User.objects.update(is_active=False)
    assert client.post("/phone", {"key": "x" if why == "another code" else secret}).status_code == 403


def test_twin_whose_link_has_no_latest_end_lets_in_after_a_clock_was_set_back(
    logged_in: Client, visitor: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = code(logged_in, monkeypatch)
    PhoneLink.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    monkeypatch.setattr(phone, "_is_good_at", lambda now: Q(expires_at__gt=now))
    assert visitor().post("/phone", {"key": secret}).status_code == 302


def test_a_link_is_made_for_an_origin_of_ours_alone(logged_in: Client) -> None:
    for origin in ("https://evil.example", "http://127.0.0.1:8888", ""):
        assert logged_in.post("/account/phone", {"origin": origin}).status_code == 302
    assert not PhoneLink.objects.exists()
