"""Quests to begin from: each is taken whole and its recipe is one."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from arena import quest_templates
from arena.profiles import quest_recipe
from arena.quest_templates import QuestTemplate, list_templates
from arena.rows.parse import read_rows
from realm import config
from realm.strict import BadConfig
from realm.world import World

TEMPLATES = list_templates()


def fault(template: QuestTemplate, world: World) -> str:
    file = world.home / "t.jsonl"
    file.write_text(template.jsonl)
    refused = [row for row in read_rows(file) if not hasattr(row, "content")]
    try:
        quest_recipe.given(
            world, config.load(world), preset="", pairs=template.pairs.split(), confirmed=False, source="template"
        )
    except (BadConfig, quest_recipe.UnconfirmedRate) as error:
        return str(error)
    return str(refused[0]) if refused else ""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_each_is_taken_whole(template: QuestTemplate, world: World) -> None:
    assert fault(template, world) == ""
    assert template.teaches
    assert template.fits


def test_twin_a_row_of_no_form_is_found(world: World) -> None:
    template = QuestTemplate(name="x", title="", teaches="", fits="", rows=({"what": "ever"},), recipe={})
    assert "no known format" in fault(template, world)


@pytest.mark.django_db
def test_page_command_and_api_give_the_same(client: Client, world: World) -> None:
    listed = client.get("/api/quests/templates").json()
    assert [one["name"] for one in listed["templates"]] == [template.name for template in TEMPLATES]
    out = io.StringIO()
    call_command("quest", "template", "chat", stdout=out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == client.get(
        "/api/quests/templates/chat"
    ).json()["rows"]
    html = client.get("/quests?template=chat").content.decode()
    assert "Is a bed free?" in html
    assert 'value="epochs=5"' in html
    assert '<dialog id="paste"' in html
    assert "Is a bed free?" not in client.get("/quests?template=nowhere").content.decode()


@pytest.mark.django_db
def test_a_template_that_is_none_is_refused_in_words(client: Client, world: World) -> None:
    assert "there are adapter, chat" in client.get("/api/quests/templates/nowhere").json()["error"]
    with pytest.raises(CommandError, match="there are adapter, chat"):
        call_command("quest", "template", "nowhere")


def test_all_have_a_name_of_their_own() -> None:
    assert len({quest_templates.find(template.name).title for template in TEMPLATES}) == len(TEMPLATES)
