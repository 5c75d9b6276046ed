"""A run of the guild as events."""

from __future__ import annotations

from typing import Any

import pytest
from channels.db import database_sync_to_async

from guild.models import Run
from tests.support.sse_events import Heard
from tests.watchtower.streams.listening import listener, until
from vault.errors import NotFound
from watchtower.streams.runs import GuildRun, Place

pytestmark = pytest.mark.django_db(transaction=True)
in_thread = database_sync_to_async


def told(numbers: range, done: int) -> list[dict[str, Any]]:
    return [{"seq": number, "time": "", "done": done, "total": 10, "message": f"word {number}"} for number in numbers]


def make_run(state: Run.State = Run.State.COMPLETED, words: range = range(1, 4), done: int = 10) -> Run:
    results = {"made": 7, "events": told(words, done)}
    return Run.objects.create(
        kind=Run.Kind.FORGE, state=state, title="x", results=results, progress_done=done, progress_total=10
    )


async def heard_after(run: Run, place: Place) -> list[Heard]:
    async with listener(await in_thread(GuildRun)(Run.Kind.FORGE, run.pk), place) as body:
        return await until(body, lambda heard: bool(heard) and heard[-1].name == "end")


async def test_each_word_once_then_the_results() -> None:
    run = await in_thread(make_run)()
    heard = await heard_after(run, Place())
    assert [event.name for event in heard] == ["message", "message", "message", "end"]
    assert heard[-1].data["results"] == {"made": 7}
    for number, event in enumerate(heard[:-1]):
        assert await heard_after(run, Place.read(event.id)) == heard[number + 1 :]


async def test_forgotten_words_are_a_gap_and_a_new_beginning_is_told() -> None:
    run = await in_thread(make_run)(words=range(5, 7))
    heard = await heard_after(run, Place(2, 10))
    assert [(event.name, event.data.get("from"), event.data.get("to")) for event in heard[:2]] == [
        ("gap", 3, 4), ("message", None, None),
    ]  # fmt: skip
    assert [event.name for event in await heard_after(run, Place(9, 10))] == [
        "rewound",
        "gap",
        "message",
        "message",
        "end",
    ]


async def test_progress_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuildRun, "look_seconds", 0.01)
    run = await in_thread(make_run)(state=Run.State.WAITING, words=range(0), done=0)
    async with listener(await in_thread(GuildRun)(Run.Kind.FORGE, run.pk), Place()) as body:
        for done in (3, 6):
            await in_thread(Run.objects.filter(pk=run.pk).update)(progress_done=done)
            (event,) = await until(body, lambda heard: bool(heard))
            assert (event.name, event.data["done"], event.data["fraction"]) == ("progress", done, done / 10)


async def test_a_trial_is_no_forge() -> None:
    run = await in_thread(make_run)()
    with pytest.raises(NotFound, match=f"no trial {run.pk}"):
        await in_thread(GuildRun)(Run.Kind.TRIAL, run.pk)
    for text in ("x", "1-", "-", "1-2-3"):
        with pytest.raises(ValueError, match="since"):
            Place.read(text)
