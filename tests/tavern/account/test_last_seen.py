"""What browsers keep for the time when the realm is away: nothing where pages want a login."""

from __future__ import annotations

import pytest
from django.test import Client

META = '<meta name="last-seen" content="kept">'


@pytest.mark.django_db
def test_an_open_realm_offers_its_worker(client: Client, world: object) -> None:
    assert META in client.get("/quests").content.decode()
    worker = client.get("/last-seen.js")
    assert worker["Content-Type"].startswith("text/javascript")
    assert b"addEventListener" in worker.content


def test_where_pages_want_a_login_nothing_is_kept(logged_in: Client, world: object) -> None:
    assert META not in logged_in.get("/account").content.decode()
    assert logged_in.get("/last-seen.js").status_code == 404
    assert META not in Client(headers={"host": "realm.example.org"}).get("/login").content.decode()
