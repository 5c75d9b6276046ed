"""Name and password: who guesses is locked out, a strange `next` leads nowhere, and the session is a new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tavern.account import lockout, sessions, views
from tavern.account.models import LoginSession
from tests.support.accounts import PASSWORD


def log_in(client: Client, password: str = PASSWORD, **more: str) -> object:
    return client.post("/login", {"username": "mira", "password": password, **more})


def test_who_logs_in_plays_and_is_named_in_the_frame(logged_in: Client, world: object) -> None:
    page = logged_in.get("/account")
    assert page.status_code == 200
    assert ">mira</a>" in page.content.decode()
    assert logged_in.post("/logout").status_code == 302
    assert logged_in.get("/account").status_code == 302
    assert not LoginSession.objects.exists()


def test_the_session_is_another_one_after_the_login(visitor: Callable[..., Client], mira: User) -> None:
    client = visitor()
    client.session.save()
    planted = client.session.session_key
    log_in(client)
    assert client.session.session_key != planted
    assert not LoginSession.objects.filter(session_key=planted).exists()


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http:evil.example"]
)
def test_next_leads_to_own_pages_alone(visitor: Callable[..., Client], mira: User, back: str) -> None:
    assert log_in(visitor(), next=back)["Location"] == "/"  # type: ignore[index]


def test_next_leads_back(visitor: Callable[..., Client], mira: User) -> None:
    assert log_in(visitor(), next="/quests?page=2")["Location"] == "/quests?page=2"  # type: ignore[index]


def check_locked(visitor: Callable[..., Client]) -> None:
    client = visitor()
    for _ in range(5):
        log_in(client, "wrong")
    locked = client.post("/login", {"username": "mira", "password": PASSWORD})
    assert (locked.status_code, locked.get("Retry-After")) == (429, "900")
    assert "Wait 15 minutes" in locked.content.decode()


def test_five_wrong_passwords_lock_name_and_address_on_both_doors(visitor: Callable[..., Client], mira: User) -> None:
    check_locked(visitor)
    assert visitor().post("/admin/login/", {"username": "mira", "password": PASSWORD}).status_code == 429
    elsewhere = Client(headers={"host": "realm.example.org"}, REMOTE_ADDR="192.0.2.9")
    assert log_in(elsewhere).status_code == 302  # type: ignore[attr-defined]


def test_twin_without_axes_one_guesses_on(visitor: Callable[..., Client], mira: User, settings: object) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]  # type: ignore[attr-defined]
    with pytest.raises(AssertionError):
        check_locked(visitor)


def check_let_in_after_the_clock_was_set_back(visitor: Callable[..., Client], passwords: tuple[str, ...]) -> None:
    client = visitor()
    for _ in range(5):
        log_in(client, "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() + timedelta(days=1))
    *_, last = [log_in(client, password) for password in passwords]
    assert last.status_code == 302  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("guard", "passwords"), [("get_user_attempts", (PASSWORD,)), ("clean_expired_user_attempts", ("wrong", PASSWORD))]
)
def test_a_clock_set_back_locks_out_no_longer_and_its_twin_does(
    visitor: Callable[..., Client], mira: User, monkeypatch: pytest.MonkeyPatch, guard: str, passwords: tuple[str, ...]
) -> None:
    check_let_in_after_the_clock_was_set_back(visitor, passwords)
    monkeypatch.delattr(lockout.LockoutHandler, guard)
    with pytest.raises(AssertionError):
        check_let_in_after_the_clock_was_set_back(visitor, passwords)


def test_an_unknown_name_is_told_the_same(visitor: Callable[..., Client], mira: User) -> None:
    said = [
        visitor().post("/login", {"username": name, "password": "wrong"}).content.decode().split("<form")[0]
        for name in ("mira", "nobody")
    ]
    assert said[0] == said[1]
    assert "do not belong together" in said[0]


def test_passwords_are_kept_by_argon2_and_old_ones_hashed_anew(
    visitor: Callable[..., Client], mira: User, settings: object
) -> None:
    from realm.settings import PASSWORD_HASHERS

    settings.PASSWORD_HASHERS = [*PASSWORD_HASHERS, "django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    log_in(visitor())
    mira.refresh_from_db()
    assert identify_hasher(mira.password).algorithm == "argon2"


def test_a_session_ends_thirty_days_after_its_last_use(logged_in: Client, mira: User) -> None:
    row = LoginSession.objects.get()
    assert timedelta(days=29) < row.expire_date - timezone.now() <= timedelta(days=30)
    about = logged_in.session
    about["about"] |= {"used_at": (timezone.now() - timedelta(days=20)).isoformat()}
    about.save()
    LoginSession.objects.update(expire_date=timezone.now() + timedelta(days=10))
    again = logged_in.get("/account")
    assert again.cookies["realm-session-8888"]["max-age"] == 30 * 24 * 3600
    row.refresh_from_db()
    assert row.expire_date - timezone.now() > timedelta(days=29)
    LoginSession.objects.update(expire_date=timezone.now())
    assert logged_in.get("/account").status_code == 302
    assert sessions.account_of(row.session_key) is None


def test_on_loopback_alone_nobody_has_to_log_in(client: Client, db: None, world: object) -> None:
    page = client.get("/account", headers={"host": "localhost"})
    assert page.status_code == 200
    assert "bind: 0.0.0.0" in page.content.decode()
    assert views.Login.template_name
    assert client.get("/account", headers={"host": "localhost"}, REMOTE_ADDR="192.168.1.9").status_code == 302
