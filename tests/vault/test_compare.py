"""Two checkpoints side by side; what is told of each tensor is held against NumPy over whole tensors."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from safetensors.numpy import save_file

from guild.models import Evaluation
from realm.checkpoints import branches, sidecar, tensors
from realm.checkpoints.sidecar import MeasuredOver
from realm.disk import durable
from realm.world import World
from tests.support.checkpoints import a_sidecar
from vault import index
from vault.errors import Damaged, NotFound
from vault.ledger import moves
from vault.ledger.comparing import Comparison, changed_weights, compare

pytestmark = pytest.mark.django_db

KINDS = ("mlp.up_proj", "self_attn.q_proj")
NAMES = [f"model.layers.{layer}.{kind}.weight" for layer in range(6) for kind in KINDS]
SUDDEN = NAMES[4]
TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8": "<u1"}
Weights = dict[str, np.ndarray[Any, Any]]


def weights(seed: int = 0, step: float = 0.0) -> Weights:
    dice = np.random.default_rng(seed)
    drift = np.random.default_rng(99)
    return {name: dice.normal(size=(7, 9)) * 0.1 + drift.normal(size=(7, 9)) * step for name in NAMES}


def save(world: World, step: int, held: Weights, *, kind: str = "F32", **changes: Any) -> str:
    """A checkpoint with those weights; its name."""
    said = replace(a_sidecar(step), **changes)
    with durable.new_folder(world.heroes / "DIO" / said.name) as fresh:
        write_weights(fresh / "model.safetensors", held, kind)
        sidecar.write(fresh, replace(said, files=sidecar.prove_files(fresh)))
    return said.name


def write_weights(path: Path, held: Weights, kind: str) -> None:
    """What NumPy has no type for is written as whole numbers of as many bits, and called by its name."""
    stored = {name: values.astype(TYPES[kind]) for name, values in held.items()}
    if kind == "BF16":
        stored = {name: (values.astype("<f4").view("<u4") >> 16).astype("<u2") for name, values in held.items()}
    save_file(stored, path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"U16"', b'"BF16"').replace(b'"U8"', b'"F8_E4M3"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


@pytest.fixture
def pair(world: World) -> tuple[str, str]:
    """The second after a small step, with one tensor that moved a hundred times as far."""
    (world.heroes / "DIO").mkdir()
    after = weights(step=1e-4)
    after[SUDDEN] = weights(step=1e-2)[SUDDEN]
    after[NAMES[0]] = weights()[NAMES[0]]
    names = save(world, 100, weights()), save(world, 200, after)
    index.scan(world)
    return names


def check_moves(world: World, pair: tuple[str, str]) -> Comparison:
    found = compare(world, "DIO", *pair)
    assert [one.name for one in found.sudden] == [SUDDEN]
    assert (found.moves[0].name, len(found.moves), found.same) == (SUDDEN, 11, 1)
    return found


def test_what_moved_is_measured_and_what_moved_suddenly_is_flagged(world: World, pair: tuple[str, str]) -> None:
    found = check_moves(world, pair)
    for one in found.moves:
        before, after = (weights(step=step)[one.name].astype("<f4").astype(float) for step in (0, 1e-4))
        if one.name == SUDDEN:
            after = weights(step=1e-2)[one.name].astype("<f4").astype(float)
        assert one.norm == pytest.approx(np.linalg.norm(before))
        assert one.distance == pytest.approx(np.linalg.norm(after - before))
        assert one.relative == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
        at = np.unravel_index(np.abs(after - before).argmax(), before.shape)
        assert one.largest is not None
        assert one.largest.index == tuple(at)
        assert (one.largest.before, one.largest.after) == (float(before[at]), float(after[at]))


def test_twin_without_the_rule_nothing_is_flagged(
    world: World, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "SUDDEN", 1000)
    with pytest.raises(AssertionError):
        check_moves(world, pair)


def test_blocks_change_nothing(world: World, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compare(world, "DIO", *pair)
    weighed = changed_weights(world, "DIO", *pair, SUDDEN, count=5)
    monkeypatch.setattr(tensors, "BLOCK", 10)
    parts = compare(world, "DIO", *pair)
    assert [(one.name, one.changed, one.largest) for one in parts.moves] == [
        (one.name, one.changed, one.largest) for one in whole.moves
    ]
    assert changed_weights(world, "DIO", *pair, SUDDEN, count=5) == weighed
    assert weighed[0] == whole.moves[0].largest
    assert [one.by for one in weighed] == sorted((one.by for one in weighed), reverse=True)


@pytest.mark.parametrize("flip", ["exponent", "nan"])
def test_a_single_weight_is_found(world: World, flip: str) -> None:
    (world.heroes / "DIO").mkdir()
    after = weights()
    after[NAMES[3]][2, 5] = np.nan if flip == "nan" else 77.0
    pair = save(world, 100, weights()), save(world, 200, after)
    (one,) = compare(world, "DIO", *pair).sudden
    assert (one.name, one.changed) == (NAMES[3], 1)
    assert "not finite" in one.flags[0] if flip == "nan" else "one weight moved by" in " ".join(one.flags)
    (weight,) = changed_weights(world, "DIO", *pair, NAMES[3])
    assert weight.index == (2, 5)


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_numbers_of_sixteen_bits(world: World, kind: str) -> None:
    (world.heroes / "DIO").mkdir()
    before, after = ({NAMES[0]: np.array([1.0, -2.0, 0.5]) * factor} for factor in (1, 2))
    found = compare(world, "DIO", save(world, 100, before, kind=kind), save(world, 200, after, kind=kind))
    assert (found.moves[0].relative, found.moves[0].dtype) == (1.0, kind)


def test_another_type_shape_or_name(world: World) -> None:
    (world.heroes / "DIO").mkdir()
    held = {"a": np.ones(4), "b": np.ones((2, 3)), "gone": np.ones(1)}
    other = {"a": np.ones(4), "b": np.ones((3, 2)), "new": np.ones(1)}
    found = compare(world, "DIO", save(world, 100, held), save(world, 200, other, kind="BF16"))
    assert (found.only_in_a, found.only_in_b, found.moves, found.same) == (("gone",), ("new",), (), 0)
    assert [(one.name, one.a, one.b) for one in found.reshaped] == [
        ("a", "F32 (4,)", "BF16 (4,)"), ("b", "F32 (2, 3)", "BF16 (3, 2)")
    ]  # fmt: skip
    small = [save(world, step, {"x": np.full(3, step)}, kind="F8") for step in (1, 2)]
    assert compare(world, "DIO", *small).unread == ("x",)


def over(name: str, digest: str) -> MeasuredOver:
    return MeasuredOver(name=name, rows=20, sha256=digest * 64)


def test_losses_over_the_same_rows_answers_settings_and_ancestors(world: World) -> None:
    hero = world.heroes / "DIO"
    hero.mkdir()
    held = {"x": np.ones(1)}
    save(world, 50, held)
    scores: dict[str, Any] = {
        "val_losses": {"bin/1": 2.0, "bin/2": 3.0},
        "val_set": over("taught", "c"),
        "val_loss": 2.5,
    }
    a = save(
        world, 100, held, battle="one", val_sets={"bin/1": over("bin/1", "a"), "bin/2": over("bin/2", "a")}, **scores
    )
    branches.go_on_from(hero, sidecar.read(hero / a_sidecar(50).name), moment=datetime(2026, 1, 2, tzinfo=UTC))
    scores |= {"val_losses": {"bin/1": 1.0, "bin/2": 1.5}, "val_loss": 1.25}
    sets = {"bin/1": over("bin/1", "a"), "bin/2": over("bin/2", "b")}
    b = save(world, 110, held, battle="two", branch="2", mode="lora", val_sets=sets, **scores)
    index.scan(world)
    for name, rate in (("one", 0.1), ("two", 0.2)):
        (world.battles / name).mkdir()
        (world.battles / name / "order.json").write_text(json.dumps({"recipe": {"learning_rate": rate, "epochs": 1}}))
    for name, correct in ((a, 2), (b, 5)):
        Evaluation.objects.create(
            hero="DIO", checkpoint=name, step=1, skill="bin", level=1, correct=correct, total=5,
            evaluated_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
    found = compare(world, "DIO", a, b)
    assert [(pair.name, pair.a, pair.b) for pair in found.losses] == [("bin/1", 2.0, 1.0), ("validation", 2.5, 1.25)]
    assert found.losses_apart == ("bin/2",)
    assert [(one.a, one.b) for one in found.answers] == [("2/5", "5/5")]
    assert {one.key: (one.a, one.b) for one in found.settings} == {
        "learning_rate": (0.1, 0.2),
        "mode": ("full", "lora"),
    }
    assert found.common_ancestor == a_sidecar(50).name
    assert compare(world, "DIO", a_sidecar(50).name, b).common_ancestor == a_sidecar(50).name


def test_what_cannot_be_compared_is_said(world: World, pair: tuple[str, str]) -> None:
    with pytest.raises(NotFound):
        compare(world, "DIO", pair[0], "checkpoint-7-20260101-1230")
    with pytest.raises(NotFound, match="no tensor x"):
        changed_weights(world, "DIO", *pair, "x")
    path = world.heroes / "DIO" / pair[1] / "model.safetensors"
    data = path.read_bytes()
    for rubbish in (
        b"\xff" * 8,
        b"\x02" + bytes(7) + b"{]",
        b"\x02" + bytes(7) + b"[]",
        b"\x0c" + bytes(7) + b'{"x":{"y":1}}',
    ):
        path.write_bytes(rubbish.ljust(len(data), b" "))
        with pytest.raises(Damaged, match=r"model\.safetensors is no safetensors file"):
            compare(world, "DIO", *pair)
    path.write_bytes(data[:-1])
    with pytest.raises(Damaged, match="another size"):
        compare(world, "DIO", *pair)


def test_the_command(world: World, pair: tuple[str, str]) -> None:
    out = StringIO()
    call_command("ledger", "compare", "100", "200", stdout=out)
    assert f"sudden: {SUDDEN}: moved" in out.getvalue()
    told = StringIO()
    call_command("ledger", "compare", *pair, "--json", stdout=told)
    assert json.loads(told.getvalue())["moves"][0]["flags"]
    single = StringIO()
    call_command("ledger", "compare", *pair, "--tensor", SUDDEN, "--limit", "3", "--json", stdout=single)
    assert len(json.loads(single.getvalue())) == 3
