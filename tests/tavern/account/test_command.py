"""`manage.py account`: made up passwords log in, and what is removed or changed lets nobody in any more."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.http import HttpRequest
from django.test import Client

from tavern.management.commands import account as command
from tests.support.accounts import PASSWORD

pytestmark = pytest.mark.usefixtures("beyond", "db")


def told(*words: str) -> str:
    out = io.StringIO()
    call_command("account", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def lets_in(password: str) -> bool:
    return authenticate(HttpRequest(), username="mira", password=password) is not None


def test_an_account_is_made_listed_changed_and_removed() -> None:
    password = told("new", "mira").strip()
    assert lets_in(password)
    assert User.objects.get().is_superuser
    (listed,) = json.loads(told("list", "--json"))
    assert (listed["name"], listed["admin"], listed["sessions"]) == ("mira", True, 0)
    changed = json.loads(told("password", "mira", "--json"))["password"]
    assert lets_in(changed)
    assert not lets_in(password)
    told("remove", "mira")
    assert not lets_in(changed)
    assert "no account yet" in told("list")


def test_a_password_is_typed_twice_and_must_be_good(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["12345678", PASSWORD, "other", PASSWORD, PASSWORD])
    monkeypatch.setattr(command.getpass, "getpass", lambda prompt: next(typed))
    for why in ("too common", "not the same"):
        with pytest.raises(CommandError, match=why):
            told("new", "mira", "--ask", "--no-admin")
    assert not User.objects.exists()
    told("new", "mira", "--ask", "--no-admin")
    assert lets_in(PASSWORD)
    assert not User.objects.get().is_staff


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("new", "a b"), "valid username"), (("password", "nobody"), "no account 'nobody'"),
        (("end-sessions", "nobody"), "no account"), (("sessions", "nobody"), "no account"),
        (("remove", "nobody"), "no account"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        told(*words)


def test_sessions_are_listed_and_ended(logged_in: Client) -> None:
    assert "Firefox on Linux" in told("sessions", "mira")
    (listed,) = json.loads(told("sessions", "mira", "--json"))
    assert logged_in.session.session_key not in str(listed)
    with pytest.raises(CommandError, match="no session 'x'"):
        told("end-sessions", "mira", "--session", "x")
    assert logged_in.get("/account").status_code == 200
    assert told("end-sessions", "mira", "--session", listed["id"]) == "sessions ended: 1\n"
    assert logged_in.get("/account").status_code == 302
    assert "nowhere" in told("sessions", "mira")


def test_a_name_is_taken_once() -> None:
    told("new", "mira")
    with pytest.raises(CommandError, match="already"):
        told("new", "mira")
