"""`/achievements`: medals with their proof, and the nearest with how far they are."""

from __future__ import annotations

import pytest
from django.test import Client

from realm.world import World
from tests.watchtower.achievements.test_evaluation import trained  # noqa: F401
from tests.watchtower.factories import HERO
from watchtower.achievements.evaluation import evaluate

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("trained")
def test_each_has_words_and_the_reached_ones_their_proof(client: Client, world: World) -> None:
    evaluate(world, HERO)
    page = client.get("/achievements").content.decode()
    assert "First Blood" in page
    assert "The first step: loss 2 in quest-b1" in page
    assert 'id="near-' in page
    assert "sidecar&#x27;s SHA-256" in page or "sidecar's SHA-256" in page
    assert "Nothing Happened" not in page, "a secret one"
    assert "Secret" in page


def test_an_empty_world_says_how_to_begin(client: Client, world: World) -> None:
    page = client.get("/achievements").content.decode()
    assert "The first comes with the first step" in page
