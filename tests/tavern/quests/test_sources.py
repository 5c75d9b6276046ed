"""The data sources without a browser: what is listed, what each button does, and that no address leads out."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from arena import source_orders
from arena.gate import report as reports
from arena.gate.inspection import Look, inspect
from arena.gate.messages import Answer, state_of
from arena.gate.rules import GateRules
from arena.models import Quest
from arena.recipe import Recipe
from arena.sources import folders, records
from arena.sources.records import Record
from realm.world import World
from tavern.quests import source_views
from tavern.quests import sources as source_page
from tests.arena.sources.test_folders import OUTSIDE
from tests.arena.sources.test_inspecting import snapshot
from tests.support.local_gate import admit
from tests.support.tavern_quests import HOSTILE, State, make_quest

pytestmark = pytest.mark.django_db
GOOD = "".join(f'{{"prompt": "what is {n}", "completion": "it is {n}"}}\n' for n in range(12))
SECRET = '{"prompt": "the secret", "completion": "of the house"}\n'


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "data"
    (path / "talks").mkdir(parents=True)
    (path / "good.jsonl").write_text(GOOD)
    (path / "talks" / "flawed.jsonl").write_text(GOOD + "no row\n")
    (tmp_path / "secret.jsonl").write_text(SECRET)
    folders.register(world, "mine", str(path))
    return path


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def read(html: str) -> str:
    """As the eye reads it: each token is an element of its own, and lone blanks are drawn as signs."""
    return re.sub(r"<[^>]+>", "", html).replace("·", " ")


def post(client: Client, address: str, **fields: Any) -> str:
    """The page that one is sent to."""
    response = client.post(address, fields, follow=True)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def looked_at(world: World, path: Path) -> None:
    look = Look(rules=GateRules(), recipe=Recipe())
    answer = Answer(number=1, path=str(path), seen=state_of(path), report=inspect(path, look))
    records.write(world, Record.of(answer, order="an order", now=1000.0))


def notices(html: str) -> list[str]:
    return re.findall(r'<p class="notice[^>]*>(.*?)</p>', html)


def test_every_source_has_its_card(world: World, folder: Path, client: Client) -> None:
    make_quest(world, "waits")
    make_quest(world, "won", State.COMPLETED)
    html = page(client, "/quests/sources")
    for name in ("inbox", "queue", "completed", "skills", "mine"):
        assert f'href="/quests/sources/{name}"' in html
        assert page(client, f"/quests/sources/{name}")
    assert str(folder) in html
    assert "2 never looked at" in html
    assert 'href="/quests/sources"' in page(client, "/quests")
    assert "waits" in page(client, "/quests/sources/queue")
    assert "won" in page(client, "/quests/sources/completed")
    assert "Binary Alchemy" in page(client, "/quests/sources/skills")


def test_a_folder_is_registered_and_removed(world: World, tmp_path: Path, client: Client) -> None:
    (tmp_path / "data").mkdir()
    html = post(client, "/quests/sources", name="mine", folder=str(tmp_path / "data"))
    assert "is registered as mine" in notices(html)[0]
    assert folders.folders(world) == {"mine": tmp_path / "data"}
    assert "as it was" in notices(post(client, "/quests/sources/mine/remove"))[0]
    assert folders.folders(world) == {}


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("mine", "/nowhere/at/all", "does not exist"),
        ("mine", "relative", "must begin with /"),
        ("a b", "/", "cannot be a name"),
        (HOSTILE, "/", "cannot be a name"),
        ("mine", HOSTILE, "must begin with /"),
    ],
)
def test_what_cannot_be_registered_gets_a_sentence(
    world: World, client: Client, name: str, given: str, says: str
) -> None:
    response = client.post("/quests/sources", {"name": name, "folder": given})
    assert response.status_code == 400
    html = response.content.decode()
    assert says in html
    assert "<script>alert" not in html
    assert folders.folders(world) == {}


def test_forms_of_other_sites_are_refused(world: World, folder: Path) -> None:
    strict = Client(enforce_csrf_checks=True)
    for address in ("/quests/sources", "/quests/sources/mine/remove", "/quests/sources/mine/files"):
        assert strict.post(address, {"name": "x", "folder": "/", "do": "queue all"}).status_code == 403
    for address in ("/quests/sources/mine/remove", "/quests/sources/mine/files"):
        assert strict.get(address).status_code == 405
    assert list(folders.folders(world)) == ["mine"]
    assert not any(path.is_file() for path in world.queue.rglob("*"))


def test_a_damaged_registry_is_told_and_the_rest_is_shown(world: World, client: Client) -> None:
    (world.home / "sources.json").write_text("{")
    html = page(client, "/quests/sources")
    assert "cannot be read" in html
    assert 'href="/quests/sources/queue"' in html
    assert client.get("/quests/sources/mine").status_code == 404


def test_files_have_their_state(world: World, folder: Path, client: Client) -> None:
    assert page(client, "/quests/sources/mine").count(">never looked at<") == 2
    looked_at(world, folder / "good.jsonl")
    looked_at(world, folder / "talks" / "flawed.jsonl")
    html = page(client, "/quests/sources/mine")
    assert ">fine<" in html
    assert "12 of 13 rows can be trained on" in html
    assert "changed since" not in html
    (folder / "good.jsonl").write_text(GOOD * 2)
    assert "The file has changed since" in page(client, "/quests/sources/mine")


def test_a_folder_that_is_gone_is_shown_as_gone(world: World, folder: Path, client: Client) -> None:
    folder.rename(folder.with_name("away"))
    assert "The folder is gone" in page(client, "/quests/sources")
    assert "The folder is gone" in page(client, "/quests/sources/mine")


def test_ten_thousand_files_come_in_pages(
    world: World, folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_page, "PER_PAGE", 2)
    for number in range(5):
        (folder / f"part-{number}.jsonl").write_text(GOOD)
    second = page(client, "/quests/sources/mine?page=2")
    assert re.findall(r'name="file" value="([^"]*)"', second) == ["part-1.jsonl", "part-2.jsonl"]
    assert re.findall(r'name="file" value="([^"]*)"', page(client, "/quests/sources/mine?q=PART-4")) == ["part-4.jsonl"]
    assert "Nothing here is called that" in page(client, "/quests/sources/mine?q=%00<script>")
    assert page(client, "/quests/sources/mine?page=999999999999")


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        ({"do": "look", "file": ["good.jsonl"]}, ["good.jsonl"]),
        ({"do": "look all"}, ["good.jsonl", "talks/flawed.jsonl"]),
        ({"do": "look file talks/flawed.jsonl", "file": ["good.jsonl"]}, ["talks/flawed.jsonl"]),
    ],
)
def test_look_leaves_an_order(
    world: World, folder: Path, client: Client, fields: dict[str, Any], files: list[str]
) -> None:
    html = post(client, "/quests/sources/mine/files", **fields)
    assert "will look at" in notices(html)[0]
    assert html.count('class="asked"') == len(files)
    ((_, order),) = source_orders.MAILBOX.waiting(world)
    assert (order.source, list(order.files)) == ("mine", files)


@pytest.mark.parametrize("how", ["files", "remove"])
def test_looking_can_be_stopped(world: World, folder: Path, client: Client, how: str) -> None:
    assert "Stop looking" in post(client, "/quests/sources/mine/files", do="look all")
    html = post(client, f"/quests/sources/mine/{how}", do="stop")
    assert list(source_orders.MAILBOX.waiting(world)) == []
    assert "Stop looking" not in html


def test_queue_copies_with_priority_and_hold(world: World, folder: Path, client: Client) -> None:
    before = snapshot(folder)
    fields = {"do": "queue", "file": ["talks/flawed.jsonl"], "priority": "high", "hold": "on"}
    assert "on hold" in notices(post(client, "/quests/sources/mine/files", **fields))[0]
    post(client, "/quests/sources/mine/files", do="queue all", priority="low")
    assert reports.read_wishes(world.lane("high") / "flawed.jsonl").hold
    admit(world)
    kept = list(Quest.objects.order_by("priority", "name").values_list("name", "priority", "state", "refusal"))
    assert ("flawed", "high", "inspected", "") in kept
    assert [refusal for *_, refusal in kept].count("duplicate") == 2
    assert snapshot(folder) == before


@pytest.mark.parametrize("do", ["", "steal all", "look", "queue", "queue file ", "look file none.jsonl", "\0"])
def test_what_no_button_sends_does_nothing(world: World, folder: Path, client: Client, do: str) -> None:
    html = post(client, "/quests/sources/mine/files", do=do)
    assert 'class="notice tone-blood"' in html
    assert list(source_orders.MAILBOX.waiting(world)) == []
    assert not any(path.is_file() for path in world.queue.rglob("*"))


def test_more_than_a_request_may_copy_is_left_to_the_command_line(
    world: World, folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_views, "MOST_AT_ONCE", 1)
    html = post(client, "/quests/sources/mine/files", do="queue all")
    assert "manage.py source queue mine" in notices(html)[0]
    assert list(world.lane("normal").iterdir()) == []


def test_preview_shows_the_first_rows(world: World, folder: Path, client: Client) -> None:
    html = page(client, "/quests/sources/mine/preview?file=talks/flawed.jsonl")
    assert [f"Line {n}" in html for n in range(1, 7)] == [True] * 5 + [False]
    assert "what is 3" in read(html)
    assert "first=6" in html
    last = page(client, "/quests/sources/mine/preview?file=talks/flawed.jsonl&first=11")
    assert "Not trained on:" in last
    assert "what is 4" in page(client, "/quests/sources/mine/preview?file=talks/flawed.jsonl&line=5")
    assert client.get("/quests/sources/mine/preview?file=good.jsonl&line=99").status_code == 404
    looked_at(world, folder / "talks" / "flawed.jsonl")
    assert "Rows that would be refused" in page(client, "/quests/sources/mine/preview?file=talks/flawed.jsonl")


def test_preview_says_which_rows_would_be_set_aside(world: World, folder: Path, client: Client) -> None:
    address = "/quests/sources/mine/preview?file=twins.jsonl"
    (folder / "twins.jsonl").write_text(GOOD.splitlines(keepends=True)[0] * 2)
    assert "Not trained on" not in page(client, address), "nobody has looked"
    looked_at(world, folder / "twins.jsonl")
    html = page(client, address)
    assert html.count("Not trained on:") == 1
    assert html.count("0 trained") == 1
    assert "the same row as line 1" in page(client, f"{address}&line=2")
    assert "Not trained on" not in page(client, f"{address}&line=1")


def test_preview_of_what_is_no_quest_says_what_it_is(world: World, folder: Path, client: Client) -> None:
    (folder / "table.jsonl").write_bytes(b"PAR1" + bytes(600))
    (folder / "empty.jsonl").write_bytes(b"")
    assert "a Parquet file" in page(client, "/quests/sources/mine/preview?file=table.jsonl")
    assert "holds no row" in page(client, "/quests/sources/mine/preview?file=empty.jsonl")


def test_a_pipe_beside_a_file_is_not_opened(world: World, folder: Path, client: Client) -> None:
    os.mkfifo(folder / "good.jsonl.rows.npy")
    assert "what is 3" in read(page(client, "/quests/sources/mine/preview?file=good.jsonl"))


SPELLINGS = [*OUTSIDE, "..%252fsecret.jsonl", "talks%2f..%2f..%2fsecret.jsonl", "%c0%ae%c0%ae/secret.jsonl"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("quoted", [True, False])
def test_no_spelling_reads_outside_the_folder(
    world: World, folder: Path, tmp_path: Path, client: Client, spelling: str, quoted: bool
) -> None:
    (folder / "out.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jsonl")
    name = spelling.replace("{outside}", str(tmp_path)).encode("utf-8", "surrogateescape")
    address = quote(name) if quoted else name.decode("latin-1").replace("\n", "%0A").replace("\0", "%00")
    for more in ("", "&line=1"):
        response = client.get(f"/quests/sources/mine/preview?file={address}{more}")
        assert response.status_code == 404
        assert b"of the house" not in response.content
    given = name.decode("utf-8", "replace")
    for do, files in ((f"queue file {given}", []), ("queue", [given]), (f"look file {given}", [])):
        client.post("/quests/sources/mine/files", {"do": do, "file": files})
    assert not any(path.is_file() for path in world.queue.rglob("*"))
    assert list(source_orders.MAILBOX.waiting(world)) == []


@pytest.mark.parametrize("address", ["..", "%2e%2e", "mine%2f..", "mine/../../secret", "%00", "mine%00", "é"])
def test_no_spelling_of_a_source_is_another(world: World, folder: Path, client: Client, address: str) -> None:
    for rest in ("", "/preview?file=good.jsonl"):
        assert client.get(f"/quests/sources/{address}{rest}").status_code == 404


def test_twin_without_the_guard_a_link_is_read(
    world: World, folder: Path, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "up").symlink_to(tmp_path)
    monkeypatch.setattr(Path, "lstat", Path.stat)
    html = page(client, "/quests/sources/mine/preview?file=up/secret.jsonl&line=1")
    assert "the secret" in html


def test_hostile_names_and_rows_are_only_shown(world: World, folder: Path, client: Client) -> None:
    name = HOSTILE.replace("/", "_") + ".jsonl"
    (folder / name).write_text(json.dumps({"prompt": HOSTILE, "completion": HOSTILE}) + "\n" + HOSTILE + "\n")
    looked_at(world, folder / name)
    for address in ("/quests/sources/mine", f"/quests/sources/mine/preview?file={quote(name)}"):
        html = page(client, address)
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "&lt;script&gt;alert" in html
    post(client, "/quests/sources/mine/files", do=f"queue file {name}")
    assert len(list(world.lane("normal").glob("*.jsonl"))) == 1
