"""The admin as one finds it: how to get an account, what a wrong password says, what stands first."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def visitor(db: None) -> Client:
    return Client(headers={"host": "localhost"})


def test_the_login_says_how_to_get_an_account(visitor: Client) -> None:
    page = visitor.get("/admin/", follow=True).content.decode()
    assert ".venv/bin/python manage.py createsuperuser" in page
    assert "No account yet" in page
    User.objects.create(username="keeper", is_staff=True)
    assert "No account yet" not in visitor.get("/admin/login/").content.decode()


def test_a_wrong_password_is_said_and_a_right_one_lets_in(visitor: Client, settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    User.objects.create_superuser("keeper", "", "right")
    form = {"username": "keeper", "password": "wrong", "next": "/admin/"}
    assert "enter the correct username and password" in visitor.post("/admin/login/", form).content.decode()
    page = visitor.post("/admin/login/", form | {"password": "right"}, follow=True).content.decode()
    places = [
        page.index(f'href="/admin/{place}/"') for place in ("vault/checkpoint", "vault/token", "guild/run", "auth/user")
    ]
    assert places == sorted(places)
    assert "css/admin/realm.css" in page
    assert "theme.js" not in page
