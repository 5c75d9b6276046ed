"""Pages that other machines reach: each request wants a login."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.support.accounts import PASSWORD

PUBLIC = "https://realm.example.org"
HOST = "realm.example.org"


@pytest.fixture
def beyond(settings: Settings) -> None:
    """As in a realm that a reverse proxy opens; passwords are hashed cheaply."""
    settings.REALM = replace(settings.REALM, public_origins=(PUBLIC,))
    settings.ALLOWED_HOSTS = [HOST]
    settings.CSRF_TRUSTED_ORIGINS = [PUBLIC]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def visitor(beyond: None, db: None) -> Callable[..., Client]:
    def make(**headers: str) -> Client:
        return Client(headers={"host": HOST, **headers})

    return make


@pytest.fixture
def mira(beyond: None, db: None) -> User:
    return User.objects.create_user("mira", password=PASSWORD)


@pytest.fixture
def logged_in(visitor: Callable[..., Client], mira: User) -> Client:
    client = visitor(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    assert client.post("/login", {"username": "mira", "password": PASSWORD}).status_code == 302
    return client
