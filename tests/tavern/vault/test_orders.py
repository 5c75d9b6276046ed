"""The vault's orders: by form, by htmx and by JSON; what is asked before them, and what is refused in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db.models import QuerySet
from django.http import HttpResponse
from django.test import Client
from safetensors.numpy import save_file

from guild.champion import crown
from guild.champion.candidates import read_candidates
from guild.champion.rule import spelled
from realm.checkpoints import sidecar
from realm.world import World
from tavern.vault import champions, compare, farewell, order_views
from tavern.vault.champions import read_board
from tavern.vault.orders import Chosen
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from tests.support.pages import in_one_line
from tests.support.tavern_guild import HERO, answered, skill_folder
from vault.index import scan
from vault.models import Checkpoint, Job, Zone
from vault.treasury import marks, trash

__all__ = ["skill_folder"]  # a fixture
pytestmark = pytest.mark.django_db
ADDRESS = "/vault/orders"
NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def name_of(step: int) -> str:
    return f"checkpoint-{step}-20260101-1230"


def key_of(step: int) -> str:
    return f"{HERO}/{name_of(step)}"


@pytest.fixture(autouse=True)
def shelf(world: World, skill_folder: Path) -> Path:
    """Steps 1 to 3, each better than the last."""
    for step in (1, 2, 3):
        make_checkpoint(world.heroes, step, name=name_of(step), train_loss=3.0 - step / 2)
    scan(world)
    return world.heroes / HERO


def ask(client: Client, **said: Any) -> HttpResponse:
    return client.post(ADDRESS, said, content_type="application/json")


def steps() -> list[int]:
    return sorted(Checkpoint.objects.values_list("step", flat=True))


def test_a_form_an_htmx_request_and_a_program_order_the_same(world: World, client: Client) -> None:
    back = {"referer": "http://testserver/vault?sort=step"}
    page = client.post(ADDRESS, {"do": "delete", "checkpoint": [key_of(1), key_of(2)]}, headers=back)
    assert (page.status_code, page["Location"]) == (302, "http://testserver/vault?sort=step")
    assert steps() == [3]
    (entry,) = trash.list_trash(world)
    assert f'value="undo {entry.entry}"' in in_one_line(client.get("/vault").content.decode())
    notice = client.post(ADDRESS, {"do": f"undo {entry.entry}"}, headers={"hx-request": "true"})
    assert "Back on the shelf" in notice.content.decode()
    assert steps() == [1, 2, 3]
    program = ask(client, do="delete", checkpoint=key_of(1)).json()
    assert program["success"]
    assert program["names"] == [name_of(1)]
    assert ask(client, do="undo", whom=program["undo"]).json()["names"] == [name_of(1)]


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"do": "delete", "checkpoint": key_of(3)}, 409, "it is the newest whole one"),
    ({"do": "delete", "checkpoint": [key_of(1), key_of(3)]}, 409, "Nothing is deleted"),
    ({"do": "delete", "checkpoint": key_of(9)}, 404, "has no checkpoint"),
    ({"do": "delete"}, 400, "no checkpoint is chosen"),
    ({"do": "delete", "checkpoint": "DIO/../../secrets"}, 400, "is no checkpoint, such as"),
    ({"do": "delete", "checkpoint": f"../DIO/{name_of(1)}"}, 400, "is no checkpoint, such as"),
    ({"do": "delete", "checkpoint": [key_of(1), f"EVA/{name_of(1)}"]}, 400, "one hero are deleted at a time"),
    ({"do": "delete", "checkpoint": {"a": 1}}, 400, "or a list of them, is expected"),
    ({"do": "delete", "checkpoint": [True]}, 400, "or a list of them, is expected"),
    ({"do": "protect", "checkpoint": [key_of(1)] * 501}, 400, "at most 500"),
    ({"do": "unprotect", "checkpoint": key_of(1)}, 404, "is not protected"),
    ({"do": "promote", "checkpoint": [key_of(1), key_of(2)]}, 400, "choose one checkpoint"),
    ({"do": "unpin", "whom": "../DIO"}, 400, "no hero's name"),
    ({"do": "unpin", "whom": HERO}, 404, "is pinned on"),
    ({"do": "undo", "whom": "../../.."}, 404, "The trash holds no entry"),
    ({"do": "cancel", "whom": "rubbish"}, 400, "which job is meant?"),
    ({"do": "cancel", "whom": 77}, 404, "There is no job 77."),
    ({"do": "copy", "checkpoint": key_of(1)}, 400, "say which stronghold or zone"),
    ({"do": "burn", "checkpoint": key_of(1)}, 400, "is not allowed; allowed are protect"),
    ({"checkpoint": key_of(1)}, 400, "the key do is expected"),
]


def test_what_cannot_be_is_refused_in_words(client: Client) -> None:
    for said, status, words in REFUSED:
        answer = ask(client, **said)
        assert (answer.status_code, answer.json()["success"]) == (status, False), said
        assert words in answer.json()["error"], said
    assert client.post(ADDRESS, "[1]", content_type="application/json").status_code == 400
    assert steps() == [1, 2, 3]


def test_a_foreign_form_gives_no_order(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(ADDRESS, {"do": "delete", "checkpoint": key_of(1)}).status_code == 403
    assert steps() == [1, 2, 3]


def test_marks_and_crown(world: World, shelf: Path, client: Client) -> None:
    assert ask(client, do="protect", checkpoint=[key_of(1), key_of(2)], note="mine").json()["success"]
    assert {name: mark.note for name, mark in marks.read(shelf).items()} == {name_of(1): "mine", name_of(2): "mine"}
    assert "it is protected since" in ask(client, do="delete", checkpoint=key_of(1)).json()["error"]
    ask(client, do="unprotect", checkpoint=key_of(2))
    assert list(marks.read(shelf)) == [name_of(1)]
    said = ask(client, do="promote", checkpoint=key_of(2)).json()
    assert "is the champion of branch 1" in said["message"]
    page = in_one_line(client.get("/vault/champions?metric=train_loss").content.decode())
    assert f'value="unpin {HERO}"' in page
    assert crown.pins(world, HERO)[""].name == name_of(2)
    ask(client, do="unpin", whom=HERO)
    assert crown.pins(world, HERO) == {}


def test_long_work_waits_for_the_process_of_the_vault(client: Client) -> None:
    said = ask(client, do="verify", checkpoint=[key_of(1), key_of(2)], quick=True).json()
    assert "The vault's process is not running" in said["message"]
    ask(client, do="export", checkpoint=key_of(1))
    ask(client, do="snapshot")
    ask(client, do="scan")
    jobs = Job.objects.order_by("pk")
    assert [job.kind for job in jobs] == ["verify", "verify", "export", "snapshot", "scan"]
    assert jobs[0].options == {"quick": True}
    assert {job.by for job in jobs} == {"page"}
    Job.objects.filter(kind="export").update(
        state="running", bytes_done=300, bytes_total=1200, started_at=NOW, beat_at=NOW.replace(second=3)
    )
    panel = in_one_line(client.get("/vault/panels/jobs").content.decode())
    for words in ("100 B/s", "9s left", "300 B of 1.20 kB", "data-busy", 'aria-valuenow="25"'):
        assert words in panel
    Job.objects.filter(kind="export").update(
        state="done", ended_at=NOW, result={"path": "/w/exports/it", "kind": "merged", "load": "model = load()"}
    )
    panel = in_one_line(client.get("/vault/panels/jobs").content.decode())
    assert "<code>model = load()</code>" in panel
    assert "<code>vllm serve /w/exports/it</code>" in panel
    assert ask(client, do="cancel", whom=jobs[0].pk).json()["success"]
    assert Job.objects.get(pk=jobs[0].pk).state == "cancelled"


def test_what_is_asked_before_deleting(world: World, client: Client) -> None:
    answered(1, 10, level=1, checkpoint=name_of(1))
    answered(1, 10, level=2, checkpoint=name_of(1))
    answered(2, 10, level=1, checkpoint=name_of(2))
    query = "&".join(f"checkpoint={key_of(step)}" for step in (1, 3))
    page = in_one_line(client.get(f"/vault/ask/delete?{query}", headers={"hx-request": "true"}).content.decode())
    assert "Held by none that stays:<b>BITS 2</b>" in page
    assert "it is the newest whole one of the active branch" in page
    assert f'value="{key_of(1)}"' in page
    assert f'value="{key_of(3)}"' not in page, "what stays is not among what is deleted"
    assert "There is no other copy of it." in page
    assert client.get("/vault/ask/delete").status_code == 302
    assert client.get("/vault/ask/burn?checkpoint=x").status_code == 404


def lost(world: World) -> str:
    return farewell.farewell(world, [Chosen(HERO, name_of(1)), Chosen(HERO, name_of(2))]).levels


def test_levels_that_others_hold_are_not_lost(world: World) -> None:
    for step in (1, 2):
        answered(step, 10, level=1, checkpoint=name_of(step))
    answered(77, 10, level=1, checkpoint=name_of(77))  # deleted long ago
    assert lost(world) == "BITS 1"
    answered(3, 10, level=1, checkpoint=name_of(3))
    assert lost(world) == ""


def test_twin_who_is_deleted_with_it_keeps_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        answered(step, 10, level=1, checkpoint=name_of(step))
    monkeypatch.setattr(QuerySet, "exclude", lambda self, **given: self)
    with pytest.raises(AssertionError):
        assert lost(world) == "BITS 1"


def test_nobody_is_sent_elsewhere(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def goal() -> str:
        form = {"do": "protect", "checkpoint": key_of(1), "back": "https://elsewhere.example/"}
        return client.post(ADDRESS, form)["Location"]

    assert goal() == "/vault"
    monkeypatch.setattr(order_views, "url_has_allowed_host_and_scheme", lambda *given, **kept: True)
    assert goal() == "https://elsewhere.example/", "twin: without the check"


def test_the_room_shows_before_and_after_and_the_trash(world: World, client: Client) -> None:
    world.home.joinpath("config.yaml").write_text("keep_checkpoints: 2\ntreasury: {keep_best: 0}\n")
    page = in_one_line(client.get("/vault/room?plan=1").content.decode())
    assert "no rule keeps it" in page
    assert "it is one of the newest 2" in page
    said = ask(client, do="tidy", whom=HERO).json()
    assert said["deleted"] == [name_of(1)]
    page = in_one_line(client.get("/vault/panels/trash").content.decode())
    assert f'value="undo {said["undo"]}"' in page
    assert ask(client, do="empty").json()["entries"] == [said["undo"]]
    assert "Empty. What is deleted lies here first" in client.get("/vault/room").content.decode()
    assert "Look at what they would do" in " ".join(client.get("/vault/room").content.decode().split())


def test_the_board_says_by_what(client: Client) -> None:
    answered(1, 10, level=1, checkpoint=name_of(1))
    answered(2, 9, level=1, checkpoint=name_of(2))
    answered(2, 8, level=2, checkpoint=name_of(2))
    found = {}
    for metric in ("levels", "accuracy", "train_loss", "val_loss", "rubbish"):
        page = in_one_line(client.get(f"/vault/champions?metric={metric}").content.decode())
        found[metric] = [step for step in (1, 2, 3) if f'value="promote {key_of(step)}"' in page]
        if metric == "levels":
            assert "2 levels, 85.0% right" in page
            assert "holds BITS 1–2" in page
            assert page.index(f"promote {key_of(2)}") < page.index(f"promote {key_of(1)}")
    assert found == {"levels": [1, 2], "accuracy": [1, 2], "train_loss": [1, 2, 3], "val_loss": [], "rubbish": [1, 2]}


def check_board_counts_as_the_rule_does(world: World) -> None:
    """Checkpoint 3 was asked level 2 alone, and lost it; of level 1 the older answers tell."""
    answered(1, 10, level=1, checkpoint=name_of(1))
    answered(2, 9, level=2, checkpoint=name_of(2))
    answered(3, 2, level=2, checkpoint=name_of(3))
    ruled = {one.name: spelled(one.held) for one in read_candidates(world, HERO) if one.held}
    board = {place.row.name: place.why.removeprefix("holds ") for place in read_board(world, HERO, "levels").places}
    assert board == ruled == {name_of(1): "BITS 1", name_of(2): "BITS 1–2", name_of(3): "BITS 1"}


def test_the_board_counts_levels_as_the_champion_s_rule_does(world: World) -> None:
    check_board_counts_as_the_rule_does(world)


def test_twin_by_own_answers_alone_a_checkpoint_loses_what_it_was_not_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champions, "frozenset", lambda held: frozenset(), raising=False)
    with pytest.raises(AssertionError):
        check_board_counts_as_the_rule_does(world)


def test_places_for_copies_are_shown_as_they_were_last_heard_of(world: World, client: Client) -> None:
    world.strongholds_file.write_text(
        "attic:\n  type: nas\n  path: /mnt/attic\ngarage:\n  type: nas\n  host: 10.0.0.9\n"
    )
    Zone.objects.create(zone_id="3090", url="http://10.0.0.2:8768", state="refused", message="It speaks protocol 2.")
    page = in_one_line(client.get("/vault/zones").content.decode())
    for words in ("attic", "/mnt/attic", "it has no path yet", "never looked into", "It speaks protocol 2.", "refused"):
        assert words in page
    asked = in_one_line(client.get(f"/vault/ask/copy?checkpoint={key_of(1)}").content.decode())
    assert [name in asked for name in ('value="attic"', 'value="3090"', 'value="garage"')] == [True, True, False]
    world.strongholds_file.write_text("attic: [")
    assert "strongholds.yaml" in client.get("/vault/zones").content.decode()


def test_two_checkpoints_side_by_side(world: World, shelf: Path, client: Client) -> None:
    for step, value in ((1, 0.1), (2, 0.1), (3, 0.2)):
        folder = shelf / name_of(step)
        tensors = {f"model.layers.{layer}.mlp.weight": np.full((2, 2), value, "<f4") for layer in (0, 1)}
        save_file(tensors | {"model.norm.weight": np.ones(2, "<f4")}, folder / WEIGHTS)
        sidecar.write(folder, replace(sidecar.read(folder), files=sidecar.prove_files(folder)))
    scan(world)
    answered(1, 9, level=1, checkpoint=name_of(1))
    page = in_one_line(client.get(f"/vault/compare?checkpoint={key_of(3)}&checkpoint={key_of(1)}").content.decode())
    assert page.index(f'before:<a href="/vault/DIO/{name_of(1)}"') < page.index("after:")
    for words in (
        "2 tensors moved, 1 is the same",
        "Layer 0",
        "Layer 1",
        "100.0%",
        "holds level 1",
        "It was asked nothing",
    ):
        assert words in page
    weights = client.get(f"/vault/compare?a={key_of(1)}&b={key_of(3)}&tensor=model.layers.1.mlp.weight")
    assert "0.1000" in weights.content.decode()
    assert "0 tensors moved, 3 are the same" in in_one_line(
        client.get(f"/vault/compare?a={key_of(1)}&b={key_of(2)}").content.decode()
    )
    for query in (
        f"a={key_of(1)}",
        f"a={key_of(1)}&b={key_of(1)}",
        f"a={key_of(1)}&b=EVA/{name_of(1)}",
        f"a={key_of(1)}&b={key_of(7)}",
    ):
        assert client.get(f"/vault/compare?{query}").status_code == 302, query


def test_what_would_take_long_is_asked_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "LARGEST_AT_ONCE_BYTES", 0)
    page = in_one_line(client.get(f"/vault/compare?a={key_of(1)}&b={key_of(2)}").content.decode())
    assert "Compare the weights" in page
    assert "What moved" not in page
