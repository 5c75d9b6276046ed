import os
from pathlib import Path

import pytest
from django.conf import settings

from guild.models import SkillProgress
from realm.world import CHECKOUT, World


def test_no_test_sees_the_world_of_the_checkout() -> None:
    home = Path(os.environ["REALM_HOME"])
    assert home == settings.WORLD.home
    assert CHECKOUT not in home.parents


def test_the_world_of_a_test_is_fresh_and_is_the_one_of_the_settings(world: World) -> None:
    assert world == settings.WORLD
    assert list(world.inbox.iterdir()) == []


@pytest.mark.django_db
def test_the_database_of_the_session_is_migrated_and_empty() -> None:
    assert not SkillProgress.objects.exists()
