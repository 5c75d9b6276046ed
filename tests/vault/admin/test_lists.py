"""Lists of the vault's admin: columns, counted filters, searches, and what they cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin import ModelAdmin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.admin.base import VaultAdmin
from vault.admin.checkpoints import CheckpointAdmin
from vault.chronicle import record
from vault.index import index_checkpoint
from vault.models import Checkpoint, Location

LISTS = ("checkpoint", "ledger", "asset", "location", "zone", "job", "historyentry", "token")


def shown(client: Client, address: str) -> str:
    response = client.get(f"/admin/vault/{address}")
    assert response.status_code == 200, response
    return response.content.decode()


def queries(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        shown(client, address)
    return [query["sql"] for query in captured]


@pytest.mark.parametrize("name", LISTS)
def test_each_list_counts_no_table_and_asks_as_much_for_one_row_as_for_four(
    name: str, admin_of: Callable[..., Client], checkpoints: list[Checkpoint]
) -> None:
    client = admin_of()
    of_four = queries(client, f"{name}/")
    assert not [sql for sql in of_four if "COUNT(*)" in sql]
    Checkpoint.objects.exclude(step=100).delete()
    Location.objects.exclude(asset__step=100).delete()
    assert len(of_four) == len(queries(client, f"{name}/"))


def test_the_twin_with_the_paginator_of_django_counts_the_table(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VaultAdmin, "get_paginator", ModelAdmin.get_paginator)
    assert [sql for sql in queries(admin_of(), "checkpoint/") if "COUNT(*)" in sql]


def test_the_twin_that_looks_for_the_copies_of_each_row_asks_more(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = CheckpointAdmin.prepare
    monkeypatch.setattr(CheckpointAdmin, "prepare", lambda self, rows: [prepare(self, [row]) for row in rows])
    client = admin_of()
    of_four = queries(client, "checkpoint/")
    Checkpoint.objects.exclude(step=100).delete()
    assert len(of_four) > len(queries(client, "checkpoint/"))


def test_columns_answer(admin_of: Callable[..., Client], checkpoints: list[Checkpoint]) -> None:
    page = shown(admin_of(), "checkpoint/?q=100")
    assert "1.0 MB" in page
    assert "local, nas" in page
    assert "protected" in page
    assert 'href="/vault/DIO/checkpoint-100-20260101-1200"' in page


def test_filters_count_what_the_other_filters_leave(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint]
) -> None:
    client = admin_of()
    page = shown(client, "checkpoint/")
    assert "bin (3)" in page
    assert "sy (1)" in page
    assert "4 checkpoints" in page
    page = shown(client, "checkpoint/?protected=True")
    assert "bin (1)" in page
    assert "sy (0)" in page
    assert "1 result (" in page
    assert "checkpoint-200-20260101-1200" not in page
    assert "0 results (" in shown(client, "checkpoint/?skill=none-of-them")
    assert "Never (4)" in shown(client, "checkpoint/")
    assert "0 results (" in shown(client, "checkpoint/?verified=lately")


@pytest.mark.slow
def test_a_search_understands_steps_ids_and_names(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint]
) -> None:
    client = admin_of()
    for name in ("checkpoint", "ledger", "asset", "location"):
        for term in ("300", "checkpoint_300", "checkpoint_300_DIO_20260101-1200", "-300-"):
            page = shown(client, f"{name}/?q={term}")
            assert "1 result (" in page, (name, term)
            assert "checkpoint-300" in page, (name, term)
    assert "0 results (" in shown(client, "checkpoint/?q=301")


def test_a_row_shows_digests_and_the_history_of_its_asset(
    admin_of: Callable[..., Client], db: None, world: World
) -> None:
    folder = make_checkpoint(world.heroes, 100)
    row = index_checkpoint(world, "DIO", folder.name)
    record(world, "verify", by="command line", asset_id="checkpoint_100_DIO_20260101-1230", ok=True)
    record(world, "delete", by="page", asset_id="checkpoint_200_DIO_20260101-1230")
    client = admin_of()
    assert "tokenizer/tokenizer.json" in shown(client, f"checkpoint/{row.pk}/change/")
    history = shown(client, f"checkpoint/{row.pk}/history/")
    assert "command line" in history
    assert "delete" not in history
    (folder / ".ledger.json").write_text("{")
    assert "cannot be read" in shown(client, f"checkpoint/{row.pk}/change/")
