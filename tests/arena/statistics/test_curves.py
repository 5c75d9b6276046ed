"""Curves as CSV, JSON and PNG: every number is read back as it was measured, in little memory."""

import csv
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from arena.protocol import EventKind
from arena.statistics import curves, picture, source
from arena.statistics.source import Source
from arena.steps import Records
from tests.arena.statistics.factories import Told, battle, records


def wavering(count: int) -> Records:
    random = np.random.default_rng(3)
    made = records(count, loss=random.lognormal(0, 1, count), grad_norm=random.lognormal(0, 3, count))
    made["time"] += random.random(count)
    return made


def scored() -> Told:
    told = Told().begin()
    for step, name, digest, loss in (
        (0, "sum/1", "a", 3.0), (2, "sum/1", "a", 2.5), (2, 'file/a,"b"', "c", 9.0), (5, "sum/1", "d", 1.25),
    ):  # fmt: skip
        over = {"name": name, "rows": 5, "sha256": digest * 64}
        told.say(EventKind.VALIDATED, step=step, losses={name: loss}, sets={name: over})
    return told


def table(opened: Source, **chosen: int) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(curves.as_csv(opened, **chosen)).decode())))


def read_back(folder: Path) -> None:
    made = wavering(500)
    made["loss"][7] = np.nan
    rows = table(battle(folder, made))
    document = json.loads(b"".join(curves.as_json(Source.open(folder))))
    assert len(rows) == len(document["rows"]) == 500
    for place, name in enumerate(curves.COLUMNS):
        kind = made.dtype[name].type
        assert np.array_equal(np.array([row[name] for row in rows], float).astype(kind), made[name], equal_nan=True)
        said = np.array([row[place] for row in document["rows"]], float).astype(kind)
        assert np.array_equal(said, made[name], equal_nan=True)


def test_every_number_is_read_back_as_it_was_measured(tmp_path: Path) -> None:
    with np.errstate(invalid="ignore"):
        read_back(tmp_path / "b")


def test_twin_that_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = curves._rows

    def rounded(some: Records) -> object:
        some = some.copy()
        some["loss"] = np.round(some["loss"], 5)
        return exact(some)

    monkeypatch.setattr(curves, "_rows", rounded)
    with pytest.raises(AssertionError):
        read_back(tmp_path / "b")


def test_each_set_of_rows_is_a_column_of_its_own(tmp_path: Path) -> None:
    rows = table(battle(tmp_path / "b", records(4), scored()))
    assert list(rows[0])[-3:] == ["val_loss sum/1 aaaaaaaa", 'val_loss file/a,"b"', "val_loss sum/1 dddddddd"]
    losses = [(row["step"], *list(row.values())[-3:]) for row in rows]
    empty = ("", "", "")
    assert losses == [
        ("0", "3.0", "", ""), ("1", *empty), ("2", "2.5", "9.0", ""), ("3", *empty), ("4", *empty),
        ("5", "", "", "1.25"),
    ]  # fmt: skip
    document = json.loads(b"".join(curves.as_json(Source.open(tmp_path / "b"))))
    assert [(one["label"], one["points"]) for one in document["validation"]] == [
        ("sum/1 aaaaaaaa", [[0, 3.0], [2, 2.5]]), ('file/a,"b"', [[2, 9.0]]), ("sum/1 dddddddd", [[5, 1.25]]),
    ]  # fmt: skip


def test_fewer_points_keep_the_extremes_and_every_score(tmp_path: Path) -> None:
    made = wavering(5000)
    made["loss"][3210] = 1e6
    rows = table(battle(tmp_path / "b", made, scored()), points=100)
    assert 50 < len(rows) < 110
    assert {"0", "1", "2", "3211", "5000"} <= {row["step"] for row in rows}
    assert sum(bool(row["val_loss sum/1 aaaaaaaa"]) for row in rows) == 2


def memory_of_all(opened: Source) -> int:
    """Peak bytes while the CSV is poured away."""
    tracemalloc.start()
    try:
        for _ in curves.as_csv(opened):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_battle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHUNK", 1000)
    opened = battle(tmp_path / "b", records(12_000))
    assert memory_of_all(opened) < 2e6
    monkeypatch.setattr(source, "CHUNK", 10**6)  # the twin
    assert memory_of_all(opened) > 5e6


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_picture_is_drawn_of_any_battle(tmp_path: Path, count: int) -> None:
    made = wavering(count)
    made["loss"][count // 2 :] = np.nan
    data = picture.as_png(battle(tmp_path / "b$x_{", made, scored()))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20], "big") == 1320
