"""B3 and B4: an index that was lost or falsified comes back and says what was wrong; a loss in it can be recomputed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from realm.standalone import ensure_django
from realm.world import World
from tests.campaigns.report import Figure, none_of
from tests.support import tiny_hero
from tests.support.checkpoints import make_checkpoint

WAYS, QUICK_WAYS = 200, 40
CHECKPOINTS = 12
LOSSES, QUICK_LOSSES = 20, 6
LARGEST_DIFFERENCE = 1e-6


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    ensure_django()
    from django.conf import settings
    from django.core.management import call_command

    world: World = settings.WORLD
    world.create()
    call_command("migrate", verbosity=0)
    ways = falsified(world, random.Random(seed), count or (QUICK_WAYS if quick else WAYS))
    return ways + recomputed(world, home, count or (QUICK_LOSSES if quick else LOSSES))


def falsified(world: World, dice: random.Random, ways: int) -> list[Figure]:
    """Each time the index is made wrong in one way, scanned, and compared with what it was."""
    from vault import index

    for step in range(1, CHECKPOINTS + 1):
        make_checkpoint(world.heroes, step, hero="EVA", train_loss=step / 7, val_loss=step / 3, level=step)
    index.scan(world)
    whole, other, unsaid = _dump(), list[str](), list[str]()
    for number in range(ways):
        kind, names = list(KINDS.items())[number % len(KINDS)]
        told = sorted(names(dice))
        report = index.scan(world)
        said = sorted([*report.added, *report.updated, *report.falsified, *report.removed])
        if _dump() != whole:
            other.append(f"{number}: {kind}")
        if said != told:
            unsaid.append(f"{number}: {kind}: {told} was said to be {said}")
    return [
        none_of("B3", "indexes that did not come back the same", other, ways),
        none_of("B3", "falsified, lost and foreign rows that were not named", unsaid, ways),
    ]


def _dump() -> list[dict[str, Any]]:
    from vault.models import Checkpoint

    rows = list(Checkpoint.objects.order_by("hero", "name").values())
    for row in rows:
        del row["id"]
    return rows


def _one_field(dice: random.Random) -> list[str]:
    """Of one row, another value of one fact."""
    from vault.index import FACTS

    row = _some_row(dice)
    name = dice.choice(FACTS)
    setattr(row, name, _other(getattr(row, name)))
    row.save()
    return [f"{row.hero}/{row.name}"]


def _other(value: Any) -> Any:
    match value:
        case None:
            return {"name": "x"}
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value[:-1]}x"
        case _:
            return value + timedelta(seconds=1)


def _two_rows_change_places(dice: random.Random) -> list[str]:
    """Each says what the other should."""
    from vault.index import FACTS

    one, two = _some_row(dice), _some_row(dice)
    if one.pk == two.pk:
        return []
    for name in FACTS:
        ours, theirs = getattr(one, name), getattr(two, name)
        setattr(one, name, theirs)
        setattr(two, name, ours)
    one.save()
    two.save()
    return [f"{row.hero}/{row.name}" for row in (one, two)]


def _some_lost(dice: random.Random) -> list[str]:
    from vault.models import Checkpoint

    rows = dice.sample(list(Checkpoint.objects.all()), dice.randint(1, CHECKPOINTS))
    Checkpoint.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return [f"{row.hero}/{row.name}" for row in rows]


def _all_lost(dice: random.Random) -> list[str]:
    """The whole database, as after `rm realm.sqlite3`."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from vault.models import Checkpoint

    names = [f"{row.hero}/{row.name}" for row in Checkpoint.objects.all()]
    connection.close()
    for path in settings.WORLD.home.glob(f"{settings.WORLD.database.name}*"):
        path.unlink()
    call_command("migrate", verbosity=0)
    return names


def _one_of_nothing(dice: random.Random) -> list[str]:
    """A row for a checkpoint that never was."""
    row = _some_row(dice)
    row.pk, row.name = None, f"checkpoint-{row.step}-19990101-{dice.randrange(2400):04}"
    row.save()
    return [f"{row.hero}/{row.name}"]


def _some_row(dice: random.Random) -> Any:
    from vault.models import Checkpoint

    return dice.choice(list(Checkpoint.objects.all()))


KINDS: dict[str, Callable[[random.Random], list[str]]] = {
    **{f"a field, {number}": _one_field for number in range(12)},
    "rows change places": _two_rows_change_places,
    "some rows lost": _some_lost,
    "the database lost": _all_lost,
    "a row of nothing": _one_of_nothing,
}


def recomputed(world: World, home: Path, count: int) -> list[Figure]:
    """The ledger's loss of each checkpoint of a battle, beside that of its weights on the same batch."""
    import torch

    from arena.hero.model import load
    from arena.training.data import PackedQuest, load_quest
    from arena.training.loss import mean_loss
    from tests.support.runs import run as fight
    from vault import index
    from vault.ledger import get_ledger

    recipe = replace(tiny_hero.RECIPE, save_every=2)
    order = tiny_hero.make_order(home, rows=30 * count, recipe=recipe, hero_folder=str(world.heroes / "DIO"))
    fight(order)
    index.scan(world)
    entries = get_ledger("DIO").list_all(limit=None)
    last = entries[0].step
    apart, worst = list[str](), 0.0
    for entry in entries[-count:]:
        hero = load(order.base_model, order.recipe, checkpoint=entry.path, device=torch.device("cpu"))
        quest = PackedQuest(
            load_quest(Path(order.quest_file), hero.mask, order.recipe).examples,
            order.recipe,
            quest_sha256=order.quest_sha256,
        )
        found = mean_loss(hero, quest.step(0, min(entry.step, last - 1)))
        difference = abs(found - (entry.train_loss if entry.train_loss is not None else float("inf")))
        worst = max(worst, difference)
        if not difference <= LARGEST_DIFFERENCE:
            apart.append(f"{entry.canonical_name}: {entry.train_loss} and {found}")
    return [
        none_of("B4", "losses in the ledger that their checkpoints do not have", apart, count),
        Figure(
            promise="B4",
            what="checkpoints of the battle",
            figure=len(entries),
            wanted=f"at least {count}",
            kept=len(entries) >= count,
        ),
        Figure(promise="B4", what="largest difference", figure=f"{worst:.1e}", wanted=f"{LARGEST_DIFFERENCE:.0e}"),
    ]
