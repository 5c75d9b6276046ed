import json
import shutil
from io import StringIO

import pytest
from django.core.management import call_command

from guild.champion import crown
from guild.models import Evaluation
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.index import scan
from vault.ledger import extract_step, get_ledger
from vault.models import Asset, Checkpoint, Location
from vault.selectors import best_checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def saved(world: World) -> World:
    """Three checkpoints of DIO, listed; the middle one has the lowest train_loss, the last the lowest val_loss."""
    make_checkpoint(world.heroes, 100, train_loss=2.0, val_loss=1.5)
    make_checkpoint(world.heroes, 200, train_loss=0.5, val_loss=1.2)
    make_checkpoint(world.heroes, 1000, train_loss=0.75, val_loss=1.0)
    make_checkpoint(world.heroes, 1, hero="EVA", train_loss=0.1)
    scan(world)
    return world


def test_an_empty_ledger_has_nothing(world: World) -> None:
    ledger = get_ledger()
    assert (ledger.get_latest(), ledger.get_best(), ledger.get(1), ledger.list_all()) == (None, None, None, [])


def test_the_latest_has_the_highest_step(saved: World) -> None:
    latest = get_ledger().get_latest()
    assert latest
    assert (latest.canonical_name, latest.step) == ("checkpoint-1000-20260101-1230", 1000)
    assert latest.path == saved.heroes / "DIO" / "checkpoint-1000-20260101-1230"


def test_the_best_has_the_lowest_loss_of_its_own_hero(saved: World) -> None:
    best, validated = get_ledger().get_best(), get_ledger().get_best(metric="val_loss")
    assert best
    assert (best.step, best.train_loss) == (200, 0.5)
    assert validated
    assert (validated.step, validated.val_loss) == (1000, 1.0)


def test_of_equals_the_older_is_best(world: World) -> None:
    make_checkpoint(world.heroes, 100, train_loss=1.0)
    make_checkpoint(world.heroes, 200, train_loss=1.0)
    scan(world)
    best = get_ledger().get_best()
    assert best
    assert best.step == 100


def test_a_checkpoint_without_the_loss_is_never_best(world: World) -> None:
    make_checkpoint(world.heroes, 100, train_loss=None)
    scan(world)
    assert get_ledger().get_best() is None


def test_an_unknown_metric_is_named(world: World) -> None:
    with pytest.raises(ValueError, match="metric 'pk' is not known; known are train_loss, val_loss"):
        best_checkpoint(world, "DIO", "pk")  # type: ignore[arg-type]


def test_the_list_is_newest_first_and_cut_at_the_limit(saved: World) -> None:
    assert [entry.step for entry in get_ledger().list_all()] == [1000, 200, 100]
    assert [entry.step for entry in get_ledger().list_all(limit=2)] == [1000, 200]
    assert [entry.step for entry in get_ledger("EVA").list_all()] == [1]


def test_a_step_is_found(saved: World) -> None:
    entry = get_ledger().get(200)
    assert entry
    assert entry.train_loss == 0.5
    assert get_ledger().get(201) is None


def test_what_is_not_on_disk_is_not_shown_even_before_a_scan(saved: World) -> None:
    shutil.rmtree(saved.heroes / "DIO" / "checkpoint-1000-20260101-1230")
    shutil.rmtree(saved.heroes / "DIO" / "checkpoint-200-20260101-1230")
    ledger = get_ledger()
    assert [entry.step for entry in ledger.list_all(limit=1)] == [100]
    assert ledger.get(200) is None
    latest, best = ledger.get_latest(), ledger.get_best()
    assert latest
    assert best
    assert (latest.step, best.step) == (100, 100)


def test_the_active_hero_is_the_one_that_the_link_names(saved: World) -> None:
    saved.current_model.symlink_to("heroes/EVA")
    assert [entry.hero for entry in get_ledger().list_all()] == ["EVA"]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("checkpoint-175000-20260101-1230", 175000),
        ("models/current_model/checkpoint-5-20260101-1230", 5),
        ("checkpoint-175000", 175000),
        ("models/current_model/checkpoint-175000/", 175000),
        ("DIO/checkpoint-5", 5),
        ("checkpoint_175000", 175000),
        ("checkpoint-5-best", 5),
        ("checkpoint-5.tmp", None),
        ("checkpoint-", None),
        ("checkpoint-x-20260101-1230", None),
        ("my-checkpoint-5", None),
        ("checkpoint-5-20260101-1230.tmp", None),
        ("", None),
    ],
)
def test_extract_step(name: str, step: int | None) -> None:
    assert extract_step(name) == step


def test_show_tells_lineage_answers_copies_and_crown(saved: World) -> None:
    make_checkpoint(saved.heroes, 2000, parent="checkpoint-1500-20260101-1230")
    scan(saved)
    row = Checkpoint.objects.get(hero="DIO", step=2000)
    evaluated = {"hero": "DIO", "checkpoint": row.name, "step": 2000, "evaluated_at": row.created_at}
    Evaluation.objects.create(skill="bin", level=1, correct=4, total=5, **evaluated)
    asset = Asset.objects.create(
        asset_id="checkpoint_2000_DIO_20260101-1230",
        kind=Asset.Kind.CHECKPOINT,
        name=row.name,
        created_at=row.created_at,
    )
    Location.objects.create(asset=asset, stronghold="nas", path=row.name, seen_at=row.created_at)
    assert crown.crown(saved, "DIO", "train_loss", until=200)
    out, told = StringIO(), StringIO()
    call_command("ledger", "show", "2000", stdout=out)
    assert (
        "comes from      checkpoint-1500-20260101-1230 (made room since) < checkpoint-1000-20260101-1230 < "
        "checkpoint-200-20260101-1230 < checkpoint-100-20260101-1230 < base model embedded"
    ) in out.getvalue()
    assert "answered        bin level 1: 4/5" in out.getvalue()
    assert f"copy            nas:{row.name}, present, never verified" in out.getvalue()
    call_command("ledger", "show", "200", "--json", stdout=told)
    assert json.loads(told.getvalue())["champion"] is True
