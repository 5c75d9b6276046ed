"""What the battle scene's first paint says, and which foe a quest meets."""

import re

import pytest
from django.test import Client

from realm.world import World
from tavern.home.foes import FEWEST_TOKENS, FOES, MOST_TOKENS, foe_of
from tests.watchtower import factories


def test_larger_quests_meet_harder_foes() -> None:
    names = [f"quest-{number}" for number in range(40)]

    def hardness(tokens: int) -> float:
        return sum(FOES.index(foe_of(name, tokens)) for name in names) / len(names)

    met = [hardness(tokens) for tokens in (FEWEST_TOKENS, 100_000, 1_000_000, 10_000_000, MOST_TOKENS)]
    assert met == sorted(met)
    assert met[0] < 1 < 8 < met[-1]
    assert all(foe_of(name, 70_000) == foe_of(name, 70_000) for name in names)


def test_twin_by_the_name_alone_size_says_nothing() -> None:
    met = [foe_of(f"quest-{number}") for number in range(40)]
    assert met == [foe_of(f"quest-{number}", 0) for number in range(40)]


def test_heads_and_what_is_cut_off_come_out_of_something() -> None:
    stands = {foe.glyph: foe.stands for foe in FOES}
    assert all(stands[glyph] == "bush" for glyph in ("goblin-head", "ogre"))
    assert stands["hydra"] == "cave"


@pytest.mark.django_db
def test_first_paint_has_the_whole_picture(world: World, client: Client) -> None:
    factories.make_battle(world, "b1", total_steps=120)
    factories.append_steps(world, "b1", [factories.record(step) for step in range(1, 31)])
    factories.say_status(world)
    with factories.daemon_lock(world):
        html = client.get("/panels/stage").content.decode()
    for part in ("dio-swing", "dio-shield", "foe-move", "boss-crown", "chest-open", "hex-star", "blanket", "anvil"):
        assert f'class="{part}' in html or f" {part}" in html
    assert html.count('class="number"') == 8
    assert len(re.findall(r"<circle r=\"3.5\"", html)) == 24
    assert 'data-plume="0"' in html
    assert 'data-crowned="off"' in html
    assert "style=" not in html
