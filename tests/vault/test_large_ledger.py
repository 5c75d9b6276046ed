"""P14 without a clock: to ask a ledger of any size costs a handful of rows, by an index, and no sidecar is read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from realm.checkpoints import sidecar
from realm.world import World
from scripts.bench import large_ledger
from vault import index, selectors
from vault.ledger import Ledger, get_ledger

pytestmark = pytest.mark.django_db

COUNT = 60
QUESTIONS: dict[str, Callable[[Ledger], object]] = {
    "list": lambda ledger: ledger.list_all(limit=20),
    "get": lambda ledger: ledger.get(300),
    "name": lambda ledger: ledger.find("checkpoint-10-20260101-0001"),
    "latest": lambda ledger: ledger.get_latest(),
    "best": lambda ledger: ledger.get_best(),
    "best by validation": lambda ledger: ledger.get_best("val_loss"),
}
MOST_QUERIES, MOST_STATS = 4, 20


@pytest.fixture
def large(world: World) -> World:
    large_ledger.make_world(world.home, COUNT)
    index.scan(world)
    return world


@contextmanager
def stats_of_sidecars(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    asked: list[str] = []
    stat = os.stat

    def watched(path: object, **options: object) -> os.stat_result:
        if str(path).endswith(sidecar.SIDECAR):
            asked.append(str(path))
        return stat(path, **options)  # type: ignore[arg-type, call-overload, no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", watched)
        yield asked


def check_costs(question: Callable[[Ledger], object], monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(folder: Path) -> None:
        raise AssertionError(f"{folder} was read")

    with monkeypatch.context() as patch, stats_of_sidecars(monkeypatch) as asked:
        patch.setattr(sidecar, "read", unread)
        with CaptureQueriesContext(connection) as queries:
            assert question(get_ledger())
    assert len(queries) <= MOST_QUERIES
    assert len(asked) <= MOST_STATS
    for query in (one for one in queries.captured_queries if 'FROM "vault_checkpoint' in one["sql"]):
        with connection.cursor() as cursor:
            # Never the same text twice: a plan that is cached outlives its index.
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']} /* {secrets.token_hex(4)} */")
            plan = "; ".join(str(row[-1]) for row in cursor.fetchall())
        assert "SCAN vault_checkpoint" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan


@pytest.mark.sqlite  # whose plan it reads
def test_a_question_costs_as_much_as_in_a_small_ledger(large: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for question in QUESTIONS.values():
        check_costs(question, monkeypatch)


def test_twin_without_the_shortcut_every_sidecar_is_read(large: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "_over_one_set", lambda hero, rows: None)
    with pytest.raises(AssertionError, match="was read"):
        check_costs(QUESTIONS["best by validation"], monkeypatch)


@pytest.mark.sqlite
def test_twin_without_its_index_the_list_is_sorted_anew(large: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX checkpoint_by_step")
    with pytest.raises(AssertionError):
        check_costs(QUESTIONS["list"], monkeypatch)


def test_the_shortcut_finds_what_the_rule_finds(large: World, monkeypatch: pytest.MonkeyPatch) -> None:
    short = get_ledger().get_best("val_loss")
    monkeypatch.setattr(selectors, "_over_one_set", lambda hero, rows: None)
    assert short == get_ledger().get_best("val_loss")
