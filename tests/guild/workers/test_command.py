"""`manage.py worker`: what it says where there can be no workers, and which resources there are."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from guild.errors import GuildError
from guild.tasks.registry import FIXED
from guild.workers import roster
from guild.workers.dispatch import hand_over
from guild.workers.resources import Resource, host_name
from realm.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def test_on_a_file_it_says_why_and_what_to_do_instead(world: World) -> None:
    with pytest.raises(CommandError, match=r"take their jobs from PostgreSQL.*`evaluates: true`, or as a zone"):
        call_command("worker", "--resources", "gpu0")
    said = StringIO()
    call_command("worker", "--list", stdout=said)
    assert said.getvalue().startswith("There are no workers: ")


def test_on_a_file_nothing_of_the_library_is_imported(world: World) -> None:
    assert hand_over(world, FIXED, is_due=lambda task: True, wished=()) == (list(FIXED), {})
    assert roster.look().why_not
    assert "procrastinate" not in sys.modules


@pytest.mark.parametrize(("text", "queue"), [("cpu", "cpu:box"), ("gpu0", "gpu:box:0"), ("gpu11", "gpu:box:11")])
def test_a_resource_is_a_queue_of_its_host(text: str, queue: str) -> None:
    assert Resource.read(text).queue("box") == queue
    assert str(Resource.read(text)) == text


@pytest.mark.parametrize("text", ["", "gpu", "cpu0", "gpu-1", "GPU0", "gpu0 ", "gpu٣", "disk"])
def test_nothing_else_is_one(text: str) -> None:
    with pytest.raises(GuildError, match="allowed are cpu, gpu0, gpu1"):
        Resource.read(text)


@pytest.mark.parametrize("name", ["a:b", "-x", "x" * 41, "ä", "a b"])
def test_a_host_has_a_plain_name(name: str) -> None:
    with pytest.raises(GuildError, match="no name for a host"):
        host_name(name)
