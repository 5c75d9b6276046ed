"""The one table of what is loaded, and its budget."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from arena.oracle import loaded_models as shelf_module
from arena.oracle.loaded_models import Shelf
from arena.oracle.trouble import NoRoom, NotLoaded

WHOLE, OWN = 100, 10


def base(name: str) -> Any:
    return SimpleNamespace(key=(name, name), memory_bytes=WHOLE)


def model(step: int, on: Any, own: int = 0) -> Any:
    return SimpleNamespace(id=f"DIO/{step}", hero="DIO", step=step, base=on, own_bytes=own)


def plan(step: int, on: str, own: int = 0) -> Any:
    entry = SimpleNamespace(id=f"DIO/{step}")
    return SimpleNamespace(entry=entry, base_key=(on, on), base_bytes=WHOLE, own_bytes=own)


def filled(budget: int, *models: Any) -> Shelf:
    shelf = Shelf(budget)
    for each in models:
        shelf.put(each)
    return shelf


def ids(shelf: Shelf) -> list[str]:
    return [place.model.id for place in shelf.places]


def test_weights_that_are_shared_count_once() -> None:
    shared = base("a")
    assert filled(1000, model(0, shared), model(1, shared, OWN), model(2, shared, OWN)).memory_bytes == WHOLE + 2 * OWN


def test_those_go_first_that_were_used_longest_ago() -> None:
    shelf = filled(300, *(model(step, base(str(step))) for step in (1, 2, 3)))
    with shelf.using("DIO/1"):
        pass
    shelf.make_room(plan(4, "4"))
    assert ids(shelf) == ["DIO/1", "DIO/3"]


def test_an_adapter_needs_no_room_for_weights_that_are_there() -> None:
    shelf = filled(2 * WHOLE + OWN, model(0, base("a")), model(5, base("b")))
    shelf.make_room(plan(1, "a", OWN))
    assert ids(shelf) == ["DIO/0", "DIO/5"]
    shelf.make_room(plan(1, "a", 2 * OWN))
    assert ids(shelf) == ["DIO/0"]  # though it was used longest ago: the adapter stands on its weights


def test_one_that_answers_is_never_unloaded() -> None:
    shelf = filled(200, model(1, base("1")), model(2, base("2")))
    with shelf.using("DIO/1"):
        shelf.make_room(plan(3, "3"))
        assert ids(shelf) == ["DIO/1"]
    shelf.put(model(2, base("2")))
    with shelf.using("DIO/1"), shelf.using("DIO/2"):
        with pytest.raises(
            NoRoom, match="DIO/3 takes 1e-07 GB of memory, beside 2e-07 GB of models that are answering"
        ):
            shelf.make_room(plan(3, "3"))
        assert ids(shelf) == ["DIO/1", "DIO/2"]


def test_twin_without_counting_users_one_that_answers_is_unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module.Place, "users", property(lambda _: 0, lambda _, value: None), raising=False)
    shelf = filled(200, model(1, base("1")), model(2, base("2")))
    with shelf.using("DIO/1"), shelf.using("DIO/2"):
        shelf.make_room(plan(3, "3"))
        assert len(ids(shelf)) == 1


def test_what_can_never_fit_costs_nobody_its_place() -> None:
    shelf = filled(150, model(1, base("1")))
    with pytest.raises(NoRoom, match="raise oracle_memory_gb"):
        shelf.make_room(plan(2, "2", own=60))
    assert ids(shelf) == ["DIO/1"]


def test_one_that_is_taken_away_while_it_answers_counts_until_it_has() -> None:
    shelf = filled(1000, model(1, base("1")))
    with shelf.using("DIO/1") as mine:
        shelf.take("DIO/1")
        assert mine.id == "DIO/1"
        assert (ids(shelf), shelf.memory_bytes, shelf.busy) == ([], WHOLE, True)
        with pytest.raises(NotLoaded), shelf.using("DIO/1"):
            pass
        shelf.put(model(1, base("1")))
        assert shelf.memory_bytes == WHOLE
    assert (ids(shelf), shelf.busy) == (["DIO/1"], False)


def test_who_asks_for_what_is_not_loaded_hears_what_is() -> None:
    shelf = filled(1000, model(1, base("1")), model(7, base("7")))
    with pytest.raises(NotLoaded, match=r"'DIO/3' is not loaded\. Loaded: DIO/1, DIO/7") as caught:
        shelf.take("DIO/3")
    assert caught.value.available == [7, 1]
    with pytest.raises(NotLoaded):
        shelf.get("EVA/1")


def test_answers_are_counted_where_they_were_given() -> None:
    shelf = filled(1000, model(1, base("1")))
    with shelf.using("DIO/1"):
        pass
    with pytest.raises(RuntimeError), shelf.using("DIO/1"):
        raise RuntimeError
    assert [place.answers for place in shelf.places] == [1]
