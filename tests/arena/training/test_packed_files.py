"""What is trained does not depend on how a quest's file is packed, and forms of the player's own reach the trainer."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd

from arena.protocol import Order
from arena.rows.limits import INSPECTED
from arena.rows.lines import content_digest
from arena.rows.parse import UnreadableQuest
from arena.training.data import PackedQuest, UntrainableQuest
from arena.training.ranks import ALONE
from arena.training.start import load_trainee, ready_quest
from tests.support import tiny_hero

PACKERS = {"quest.jsonl.gz": gzip.compress, "quest.jsonl.zst": zstd.compress}


def quest_of(order: Order) -> PackedQuest:
    hero = load_trainee(order, None, None, ALONE).hero
    return ready_quest(order, hero, lambda: None)[1]


def steps_of(order: Order) -> list[list[int]]:
    """Lines that each step trains on."""
    quest = quest_of(order)
    return [quest.lines_of_step(0, at) for at in range(quest.steps_per_epoch)]


def examples_of(order: Order) -> list[list[int]]:
    return [example.inputs.tolist() for example in quest_of(order).examples]


@pytest.mark.parametrize("name", PACKERS)
def test_a_packed_quest_is_trained_in_the_same_steps(name: str, tmp_path: Path) -> None:
    plain = tiny_hero.make_order(tmp_path)
    packed = tmp_path / name
    packed.write_bytes(PACKERS[name](Path(plain.quest_file).read_bytes()))
    assert content_digest(packed) == plain.quest_sha256
    from_packed = replace(plain, quest_file=str(packed))
    assert steps_of(from_packed) == steps_of(plain)
    assert examples_of(from_packed) == examples_of(plain)


def test_what_the_gatekeepers_let_pass_is_not_too_large_for_the_trainer(tmp_path: Path) -> None:
    plain = tiny_hero.make_order(tmp_path)
    with open(plain.quest_file, "ab") as file:
        file.write(b"\n" * 100_000_000)
    packed = tmp_path / "quest.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(plain.quest_file).read_bytes(), 1))
    with pytest.raises(UnreadableQuest, match="200 times"):
        content_digest(packed)
    order = replace(plain, quest_file=str(packed), quest_sha256=content_digest(packed, INSPECTED))
    assert sum(map(len, steps_of(order))) == 80


def test_a_packed_quest_that_was_cut_off_is_not_trained(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path)
    packed = tmp_path / "quest.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(order.quest_file).read_bytes())[:-9])
    with pytest.raises(UnreadableQuest, match="is cut off"):
        steps_of(replace(order, quest_file=str(packed)))


def test_an_order_brings_the_forms_that_its_quest_was_inspected_by(tmp_path: Path) -> None:
    plain = tiny_hero.make_order(tmp_path)
    own = tmp_path / "own.jsonl"
    rows = [json.loads(line)["messages"] for line in Path(plain.quest_file).read_bytes().splitlines()]
    own.write_text("".join(json.dumps({"q": q["content"], "a": a["content"]}) + "\n" for q, a in rows))
    order = replace(plain, quest_file=str(own), quest_sha256=content_digest(own))
    with pytest.raises(UntrainableQuest, match="no known format: keys are 'q', 'a'"):
        steps_of(order)
    declared = replace(order, dataset_specs={"mine": {"user": "q", "assistant": "a"}})
    assert Order.read(declared.write()).dataset_specs == declared.dataset_specs
    assert examples_of(declared) == examples_of(plain)
