"""A new hero's name, as it is typed."""

from __future__ import annotations

import pytest

from arena.roster import names
from realm.config import is_hero_name
from realm.world import World


@pytest.mark.parametrize(
    ("typed", "why", "first"),
    [
        ("KNIGHT", "", None),
        (" MORIEN ", "", None),
        ("", "wants a name", "GALAHAD"),
        ("Sir Läncelot!", "cannot be", "Sir-Lancelot"),
        ("7th", "cannot be", "th"),
        ("../up", "cannot be", "up"),
        ("N" * 41, "cannot be", "N" * 40),
        ("勇者", "cannot be", "GALAHAD"),
        ("DIO", "already", "DIO-2"),
        ("dio", "DIO is a hero of this world already", "dio-2"),
    ],
)
def test_the_check_says_why_and_what_could_be(world: World, typed: str, why: str, first: str | None) -> None:
    (world.heroes / "DIO").mkdir()
    found = names.check(world, typed)
    assert found.free == (why == "")
    assert why in found.refusal
    assert (found.suggestions[:1] or (None,))[0] == first
    for idea in found.suggestions:
        assert names.check(world, idea).free


def test_a_name_that_differs_in_its_case_alone_would_pass_where_only_the_form_is_asked() -> None:
    """The twin of the last case above: two folders that a file system without case takes for one."""
    assert is_hero_name("dio")
