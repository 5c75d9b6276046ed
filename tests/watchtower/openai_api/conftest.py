"""OpenAI's own client in the test's process, and an arena that is ticked by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.core.handlers.wsgi import WSGIHandler
from openai import OpenAI

from arena.daemon import battles, outcomes, validation_sets
from arena.daemon.loop import ArenaDaemon
from tests.arena.daemon.test_loop import clock, open_daemon, settle, trainer
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

ROWS = [
    {"messages": [{"role": "user", "content": f"{n} + 1"}, {"role": "assistant", "content": str(n + 1)}]}
    for n in range(8)
]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@pytest.fixture
def openai() -> Iterator[OpenAI]:
    transport = httpx2.WSGITransport(app=WSGIHandler())
    with httpx2.Client(transport=transport) as http:
        yield OpenAI(base_url="http://127.0.0.1:8888/v1", api_key="any", http_client=http, max_retries=0)


class Realm:
    """One arena with a trainer that trains nothing; `settle` lets it do all that it has to do."""

    def __init__(self, openai: OpenAI, open_daemon: Callable[..., ArenaDaemon], trainer: FakeTrainer) -> None:
        self.client, self.trainer = openai, trainer
        self.daemon = open_daemon()
        trainer.start()

    def settle(self) -> None:
        settle(self.daemon)

    def upload(self, rows: list[dict[str, Any]] = ROWS, name: str = "mine.jsonl", **options: Any) -> str:
        file = (name, lines(rows))
        return self.client.files.create(file=file, purpose="fine-tune", **options).id

    def job(self, file: str = "", **options: Any) -> str:
        return self.client.fine_tuning.jobs.create(model="DIO", training_file=file or self.upload(), **options).id

    def status(self, job: str) -> str:
        return str(self.client.fine_tuning.jobs.retrieve(job).status)

    @property
    def fought(self) -> Path:
        return Path(self.trainer.orders[-1].battle_folder)


@pytest.fixture
def _no_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guild asks beside a battle takes longer to write down than all else that happens here."""
    monkeypatch.setattr(battles, "_evaluation_sets", lambda *_: ())
    monkeypatch.setattr(validation_sets, "_levels", lambda *_: [])
    monkeypatch.setattr(outcomes, "levels_to_ask", lambda *_: ())


@pytest.fixture
def realm(_no_levels: None, openai: OpenAI, open_daemon: Callable[..., ArenaDaemon], trainer: FakeTrainer) -> Realm:
    return Realm(openai, open_daemon, trainer)
