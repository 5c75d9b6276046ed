"""Each act of a page has an address and a command, and its line of curl does what the page does."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands, load_command_class
from django.test import Client

from guild.models import Run
from realm import config
from realm.world import CHECKOUT, World
from tavern.acts import ACTS, PAGES_ALONE
from tests.support.pages import in_one_line
from watchtower.api.realm_api import api

pytestmark = pytest.mark.django_db
TEMPLATES = CHECKOUT / "templates" / "tavern"


def forms(folder: Path) -> set[str]:
    """Names of the URLs that forms post to."""
    found: set[str] = set()
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for form in re.findall(r'<form\b[^>]*?method="post"(?:[^>]|%}|">)*?action="{% url "tavern:(\w+)"', text):
            found.add(form)
        found.update(re.findall(r'formaction="{% url "tavern:(\w+)"', text))
    return found


def unlisted(folder: Path) -> set[str]:
    return forms(folder) - {act.form for act in ACTS.values()} - set(PAGES_ALONE)


def test_every_form_of_a_page_is_listed() -> None:
    assert len(forms(TEMPLATES)) > 30, "the pattern finds them"
    assert unlisted(TEMPLATES) == set()


def test_twin_a_form_that_is_not_listed_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text('<form method="post" action="{% url "tavern:new_act" %}">')
    assert unlisted(tmp_path) == {"new_act"}


def test_every_act_has_its_address() -> None:
    paths = api.get_openapi_schema()["paths"]
    known = {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, acts in paths.items() for method in acts}
    for name, act in ACTS.items():
        assert (act.method, re.sub(r"\{\w+\}", "{}", act.path)) in known, name


def test_every_act_has_its_command() -> None:
    commands = get_commands()
    for name, act in ACTS.items():
        if not act.command:
            continue
        command, *action = act.command.split()
        assert command in commands, name
        if action:
            said = load_command_class(str(commands[command]), command).create_parser("manage.py", command).format_help()
            assert re.search(rf"\b{action[0]}\b", said), f"{name}: {act.command}"


def lines(client: Client, address: str) -> list[str]:
    page = in_one_line(client.get(address).content.decode())
    return [html.unescape(line) for line in re.findall(r'class="curl"[^>]*>.*?<code>(.*?)</code>', page)]


def run(client: Client, line: str, **values: object) -> int:
    """As a shell and curl would, with the form's values in the body."""
    words = shlex.split(line)
    method = words[words.index("-X") + 1] if "-X" in words else "POST"
    address = next(urlsplit(word).path for word in words if word.startswith("http"))
    body = {key: values.get(key, value) for key, value in json.loads(words[words.index("-d") + 1]).items()}
    sent = {key: value for key, value in body.items() if value != "…"}
    return client.generic(method, address, json.dumps(sent), content_type="application/json").status_code


def test_the_lines_do_what_the_pages_do(client: Client, world: World) -> None:
    (paste,) = (line for line in lines(client, "/quests?template=chat") if "/api/quests" in line)
    assert run(client, paste, name="mine", text='{"prompt": "a", "completion": "b"}\n') == 200
    assert [path.name for path in world.home.rglob("mine*.jsonl")] != []

    forge = next(line for line in lines(client, "/guild") if "/api/simulation/start" in line)
    assert run(client, forge, skill="bin", levels=[1], count=10) == 200
    assert Run.objects.get().kind == Run.Kind.FORGE

    hero = next(line for line in lines(client, "/heroes") if line.split()[1].endswith("/api/heroes"))
    assert run(client, hero, name="Robin", base_model="embedded", preset="standard") == 201
    (setting,) = (line for line in lines(client, "/settings") if "/api/settings/training.max_length" in line)
    assert run(client, setting, value=64) == 409, "what is critical is asked about here, too"


def test_a_battle_is_ordered_by_its_line(client: Client, world: World) -> None:
    from django.template import Context, Template
    from django.test import RequestFactory

    template = Template('{% load tavern %}{% curl "battle" action="pause" %}{% curl "autoplay" on=False %}')
    page = template.render(Context({"request": RequestFactory().get("/")}))
    pause, autoplay = (html.unescape(line) for line in re.findall(r"<code>(.*?)</code>", page))
    assert run(client, pause) == 200
    (command,) = (world.home / "control").glob("*.command.json")
    assert json.loads(command.read_text())["wish"] == "pause"
    assert run(client, autoplay) == 200
    assert config.load(world).autoplay is False
