"""`/battles` as a browser without scripts asks it: list, one battle, comparison, orders, and the file to hand on."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from arena import history_orders
from arena.history import notes
from arena.models import Battle, Quest
from arena.orders import MAILBOX as WISHES
from realm.world import CHECKOUT, World
from tavern.battles import report
from tests.support.fought import fought, won
from tests.support.pages import in_one_line
from tests.watchtower import factories

pytestmark = pytest.mark.django_db
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, address
    return in_one_line(response.content.decode())


def test_the_list_shows_finds_and_turns_pages(world: World, client: Client) -> None:
    assert "No battle was fought yet." in page(client, "/battles")
    battle = fought(world, "sums-1")
    won(battle, 4)
    notes.change(world, battle, label="Too hot", tags=["good"])
    fought(world, "words-2", state=Battle.State.STOPPED)
    shown = page(client, "/battles")
    assert shown.index("words-2") < shown.index("Too hot")
    assert "▲ BIN 3" in shown
    assert "words-2" not in page(client, "/battles?q=hot&state=completed&tag=good")
    assert "No battle fits" in page(client, "/battles?q=nothing")
    assert "is none of training" in page(client, "/battles?state=odd")
    assert "words-2" in page(client, "/battles?page=99")


def test_one_battle_and_a_comparison_say_what_they_came_to(world: World, client: Client) -> None:
    fought(world, "a")
    fought(world, "b", learning_rate=1e-3, repeat_of="a")
    shown = page(client, "/battles/b")
    assert "Completed after 4 steps" in shown
    assert re.search(r"<code>learning_rate</code><span>[^<]* →<b>[^<]*</b>", shown)
    assert 'class="curve"' in shown
    assert "repeats" in shown
    ticked = {"battle": ["a", "b"], "do": "compare", "csrfmiddlewaretoken": "secret", "tags": ""}
    (address, _), *_ = client.post("/battles/chosen", ticked, follow=True).redirect_chain
    assert address == "/battles/compare?battle=a&battle=b", "no form's token stands in an address"
    beside = page(client, address)
    assert "of the recipe only learning_rate differs" in beside
    assert "<code>epochs</code>" not in beside
    assert "<code>epochs</code>" in page(client, "/battles/compare?ids=a,b&all=1&x=tokens")
    refused = client.get("/battles/compare?ids=a,b,c,d,e,f,g", follow=True)
    assert "6 are compared at most" in refused.content.decode()
    assert client.get("/battles/nobody").status_code == 404
    assert "By recipe" in page(client, "/battles/efficiency")


def test_twin_no_form_with_a_token_is_sent_as_an_address(tmp_path: Path) -> None:
    assert tokens_in_addresses(CHECKOUT / "templates") == []
    (tmp_path / "x.html").write_text('<form method="get" action="/x">{% csrf_token %}</form>')
    assert tokens_in_addresses(tmp_path) == ["x.html"]


def tokens_in_addresses(folder: Path) -> list[str]:
    """Templates with a form that has a token and no `method="post"`."""
    form = re.compile(r"<form\b(.*?)</form>", re.DOTALL)
    return [
        path.name for path in folder.rglob("*.html")
        if any("csrf_token" in one and 'method="post"' not in one for one in form.findall(path.read_text("utf-8")))
    ]  # fmt: skip


def test_battles_of_which_little_is_left_are_shown_as_well(world: World, client: Client) -> None:
    factories.make_battle(world, "steps-alone")
    factories.append_steps(world, "steps-alone", [factories.record(1), factories.record(2)])
    factories.make_battle(world, "empty", state=Battle.State.FAILED)
    (world.battles / "empty").rmdir()
    for name in ("steps-alone", "empty"):
        page(client, f"/battles/{name}")
        assert client.get(f"/battles/{name}/report.html").status_code == 200
        assert client.get(f"/api/training/runs/{name}/summary").status_code == 200
    page(client, "/battles")
    page(client, "/battles/efficiency")
    assert "not ranked" in page(client, "/battles/compare?ids=steps-alone,empty&x=rows")
    assert client.get("/battles/compare/report.html?ids=steps-alone,empty").status_code == 200


def test_notes_are_kept_and_refused_beside_their_field(world: World, client: Client) -> None:
    fought(world)
    answer = client.post("/battles/sums-1/notes", {"label": "L", "note": "N", "tags": "#good, new"}, follow=True)
    assert "The notes are kept." in answer.content.decode()
    assert notes.read(world, "sums-1").tags == ("good", "new")
    refused = client.post("/battles/sums-1/notes", {"label": "mine", "note": "", "tags": "<b>"})
    assert refused.status_code == 400
    shown = in_one_line(refused.content.decode())
    assert re.search(r'name="tags"[^>]*value="&lt;b&gt;"[^>]*aria-invalid="true"', shown)
    assert 'value="mine"' in shown
    assert notes.read(world, "sums-1").label == "L"


def test_a_repeat_is_asked_for_and_refused_beside_its_field(world: World, client: Client) -> None:
    fought(world)
    refused = client.post("/battles/sums-1/repeat", {"key": "epochs", "value": "0"})
    assert (refused.status_code, "repeat-refusal" in refused.content.decode()) == (400, True)
    done = client.post("/battles/sums-1/repeat", {"key": "epochs", "value": "2"}, follow=True)
    assert "with epochs 1 → 2 and all else alike" in done.content.decode()
    assert (world.lane("normal") / "sums-1.jsonl").exists()


def test_deleting_shows_first_and_then_orders(world: World, client: Client) -> None:
    fought(world, "a")
    fought(world, "b", state=Battle.State.TRAINING)
    shown = page(client, "/battles/delete?battle=a&battle=b")
    assert "1 battle would go" in shown
    assert "it is training: stop it first" in shown
    assert not list(history_orders.MAILBOX.waiting(world))
    client.post("/battles/delete", {"battle": ["a", "b"]})
    ((_, order),) = history_orders.MAILBOX.waiting(world)
    assert order.battles == ("a",)
    assert '<input type="hidden" name="keep_newest" value="1">' in page(client, "/battles/delete?keep_newest=1")
    answer = client.get("/battles/delete?older_than_days=x", follow=True)
    assert "is no whole number" in answer.content.decode()


def test_stop_all_ends_the_battle_and_says_that_the_arena_rests(world: World, client: Client) -> None:
    answer = client.post("/battles/stop-all", follow=True)
    assert "the arena rests" in answer.content.decode()
    ((_, order),) = WISHES.waiting(world)
    assert order.wish == "stop"


def test_many_get_a_tag_at_once(world: World, client: Client) -> None:
    for name in ("a", "b"):
        fought(world, name)
    client.post("/battles/tags", {"battle": ["a", "b"], "tags": "good", "do": "tag", "back": "q=x"})
    client.post("/battles/tags", {"battle": ["b"], "tags": "good", "do": "untag"})
    assert [notes.read(world, name).tags for name in ("a", "b")] == [("good",), ()]


class Outside(HTMLParser):
    """Whatever a file takes from elsewhere, and whatever in it could act."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "link", "iframe", "object", "form", "base"):
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name.startswith("on") or name in ("src", "href", "xlink:href")]


def outside(text: str) -> list[str]:
    looked = Outside()
    looked.feed(text)
    return looked.found


def evil_reports(world: World) -> list[str]:
    battle = fought(world, "a")
    fought(world, "b", epochs=2)
    Quest.objects.filter(name="a").update(name=EVIL)
    notes.change(world, battle, note=EVIL, label=EVIL)
    one = report.of_battle(world, Battle.objects.select_related("quest", "record").get(battle_id="a"))
    return [one, report.of_comparison(report.comparing.compare(world, ["a", "b"]))]


def test_a_report_takes_nothing_from_elsewhere_and_nothing_in_it_acts(world: World, client: Client) -> None:
    for text in evil_reports(world):
        assert outside(text) == []
        assert "&lt;script&gt;" in text
        assert "<path" in text
    answer = client.get("/battles/a/report.html")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"] == report.POLICY
    assert client.get("/battles/compare/report.html?ids=a,b").headers["Content-Security-Policy"] == report.POLICY


def test_twin_a_drawing_that_does_not_escape_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.battles.drawing.escape", lambda text: text)
    assert "script" in outside(evil_reports(world)[0])


def asked_of_the_database(client: Client) -> int:
    with CaptureQueriesContext(connection) as asked:
        shown = page(client, "/battles?q=b-")
    assert shown.count('class="fight panel') == 40
    return len(asked)


def test_a_long_history_asks_no_more_than_a_short_one(world: World, client: Client) -> None:
    """Whatever the machine has else to do: 10,000 battles take 0.1 s where it has nothing."""
    first = fought(world, "a")
    rows = [
        Battle(battle_id=f"b-{number}", quest=first.quest, hero="DIO", state="completed", started_at=first.started_at)
        for number in range(1000)
    ]
    Battle.objects.bulk_create(rows[:60])
    page(client, "/battles")
    few = asked_of_the_database(client)
    Battle.objects.bulk_create(rows[60:])
    assert asked_of_the_database(client) == few < 20


def test_the_command_shows_compares_and_writes(world: World, tmp_path: Path) -> None:
    fought(world, "a")
    fought(world, "b", epochs=2)

    def said(*words: str) -> str:
        out = io.StringIO()
        call_command("battle", *words, stdout=out)
        return out.getvalue()

    assert "only epochs differs" in said("compare", "a", "b")
    assert json.loads(said("compare", "a", "b", "--json"))["differences"][0]["key"] == "epochs"
    assert "#good" in said("tag", "a", "good")
    assert "verdict  Completed after 4 steps" in said("show", "a")
    said("report", "a", "b", "--out", str(tmp_path / "r.html"))
    assert outside((tmp_path / "r.html").read_text()) == []
    assert json.loads(said("repeat", "a", "epochs=4", "--json"))["battle"] == "a"
    with pytest.raises(CommandError, match="nothing of it lies in the trash"):
        said("restore", "a")
    with pytest.raises(CommandError, match="there is no battle"):
        said("show", "nobody")


def test_the_api_says_the_same(world: World, client: Client) -> None:
    won(fought(world, "a"), 4)
    fought(world, "b", epochs=2)
    listed = client.get("/api/training/battles?q=a").json()
    assert [one["id"] for one in listed["battles"]] == ["a"]
    assert listed["battles"][0]["deeds"]["won"] == ["BIN 3"]
    kept = client.patch("/api/training/runs/a/notes", {"tags": ["x"]}, content_type="application/json").json()
    assert (kept["tags"], client.get("/api/training/runs/a/notes").json()["tags"]) == (["x"], ["x"])
    assert client.get("/api/training/runs/compare?ids=a,b").json()["differences"][0]["key"] == "epochs"
    assert client.get("/api/training/runs/a/summary").json()["verdict"].startswith("Completed after 4 steps")
    assert client.get("/api/training/efficiency").json()["total"]["levels_won"] == 1
    asked = {"battles": ["a"], "dry_run": True}
    gone = client.post("/api/training/runs/delete", asked, content_type="application/json").json()
    assert (gone["going"][0]["battle"], list(history_orders.MAILBOX.waiting(world))) == ("a", [])
    assert client.delete("/api/training/runs/a").json()["message"].startswith("Asked: delete 1 battle")
    body = {"key": "epochs", "value": 0}
    refused = client.post("/api/training/runs/a/repeat", body, content_type="application/json")
    assert (refused.status_code, "epochs" in refused.json()["error"]) == (422, True)
    assert client.get("/api/training/runs/compare?ids=a").status_code == 422
    assert client.get("/api/training/runs/nobody/summary").status_code == 404
    assert client.get("/api/training/runs/a/report.html").headers["Content-Security-Policy"] == report.POLICY
