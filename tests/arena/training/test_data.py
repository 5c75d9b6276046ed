import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arena.hero.model import Hero, hero_tokenizer
from arena.protocol import ValidationSet
from arena.recipe import Recipe
from arena.rows import packing, parse
from arena.rows.example import IGNORE, Example, shift
from arena.rows.masking import ChatMask, MaskingError, Tokenized
from arena.rows.packing import Rows
from arena.rows.parse import read_rows
from arena.training import data
from arena.training import examples as storage
from arena.training.batch import Batch, join
from arena.training.data import PackedQuest, UntrainableQuest, load_quest
from arena.training.scoring import load_sets
from tests.support import tiny_hero


@pytest.fixture
def quest(tmp_path: Path, hero: Hero, recipe: Recipe) -> PackedQuest:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 60), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab")


def test_shift_makes_the_next_token_the_label_and_cuts_what_follows_the_last() -> None:
    example = shift(1, [5, 6, 7, 8, 9], [False, False, True, True, False])
    assert example.inputs.tolist() == [5, 6, 7]
    assert example.labels.tolist() == [IGNORE, 7, 8]


@pytest.mark.parametrize("trained", ["", "t", ".", "..tt.", "tttt", "t...", ".t", "....", "t.t.t"])
def test_slots_and_labels_are_counted_without_shifting(trained: str) -> None:
    flags = [flag == "t" for flag in trained]
    tokenized, example = Tokenized([7] * len(flags), flags), shift(1, [7] * len(flags), flags)
    assert (tokenized.slots, tokenized.labels) == (len(example), example.trained_tokens)


def test_labels_are_the_answer_and_its_end_of_turn(hero: Hero, quest: PackedQuest) -> None:
    for example in quest.examples:
        learned = [label for label in example.labels.tolist() if label != IGNORE]
        answer = hero.tokenizer.decode(learned)
        prompt = hero.tokenizer.decode(example.inputs.tolist())
        a, b = prompt.split("<|im_start|>user\n")[1].split("<|im_end|>")[0].split("+")
        assert answer == f"{int(a) + int(b)}<|im_end|>"


def test_without_a_template_text_is_trained_and_a_conversation_is_the_models_fault(
    tmp_path: Path, hero: Hero, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    hero.tokenizer.chat_template = None
    mask = ChatMask(hero_tokenizer(hero.tokenizer))
    text = tmp_path / "text.jsonl"
    text.write_text('{"text": "Paris is blue"}\n' * 3)
    assert len(load_quest(text, mask, recipe).examples) == 3
    talk = tiny_hero.write_quest(tmp_path / "talk.jsonl", 3)
    with pytest.raises(MaskingError, match="has no chat template"):
        load_quest(talk, mask, recipe)
    monkeypatch.setattr(mask, "facts", replace(mask.facts, has_template=True))
    with pytest.raises(UntrainableQuest):  # twin: the quest would be blamed
        load_quest(talk, mask, recipe)
    order = tiny_hero.make_order(tmp_path / "order", rows=3)
    silent = replace(hero, mask=ChatMask(hero_tokenizer(hero.tokenizer)))
    sets = (ValidationSet(name="quest/talk", path=str(talk)), ValidationSet(name="quest/text", path=str(text)))
    assert [one.name for one in load_sets(replace(order, validation_sets=sets), silent)] == ["quest/text"]


def test_joined_rows_restart_positions_and_predict_across_no_boundary(quest: PackedQuest) -> None:
    batch = quest.batch(range(len(quest.rows)))
    laid = [quest.examples[index] for row in quest.rows for index in row]
    assert batch.lengths == tuple(map(len, laid))
    assert batch.tokens == sum(batch.lengths)
    start = 0
    for example in laid:
        slots = slice(start, start + len(example))
        assert batch.positions_1T[0, slots].tolist() == list(range(len(example)))
        assert batch.inputs_1T[0, slots].tolist() == example.inputs.tolist()
        assert batch.labels_1T[0, slots].tolist() == example.labels.tolist()
        start = slots.stop


def test_each_epoch_holds_every_example_once_in_an_order_of_its_own(quest: PackedQuest) -> None:
    epochs = [
        [line for position in range(quest.steps_per_epoch) for line in quest.lines_of_step(epoch, position)]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(1, 61))
    assert epochs[0] != epochs[1]


def test_a_step_is_the_same_rows_for_any_micro_batch(quest: PackedQuest, recipe: Recipe) -> None:
    whole = PackedQuest(quest.examples, replace(recipe, rows_per_micro_batch=4), quest_sha256="ab")
    halves = PackedQuest(quest.examples, replace(recipe, rows_per_micro_batch=2), quest_sha256="ab")
    (one,), (first, second) = whole.step(0, 0), halves.step(0, 0)
    assert one.inputs_1T.tolist() == [first.inputs_1T[0].tolist() + second.inputs_1T[0].tolist()]


def test_smaller_micro_batches_are_the_same_step(quest: PackedQuest) -> None:
    """What the loop asks for after it ran out of memory."""
    usual, single = quest.step(0, 0), quest.step(0, 0, rows_per_micro_batch=1)
    assert (len(usual), len(single)) == (2, 4)
    assert tokens_of(usual) == tokens_of(single)


def tokens_of(batches: Sequence[Batch]) -> list[int]:
    return [token for batch in batches for token in batch.inputs_1T[0].tolist()]


def write_rows(path: Path, *rows: dict[str, object] | str) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def turn(question: str, answer: str) -> dict[str, object]:
    return {"prompt": question, "completion": answer}


def test_over_long_rows_are_refused_by_line_or_cut_and_counted(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    path = write_rows(tmp_path / "quest.jsonl", turn("hi", "yes"), turn("hi", "no " * 100), {"text": "no " * 100})
    refusing = load_quest(path, hero.mask, recipe)
    assert [refusal.line for refusal in refusing.refused] == [2, 3]
    assert all("more than max_length 64" in refusal.reason for refusal in refusing.refused)
    assert (refusing.refused_count, refusing.truncated) == (2, 0)
    cutting = load_quest(path, hero.mask, replace(recipe, over_long="truncate"))
    assert (cutting.truncated, cutting.refused, [len(example) for example in cutting.examples]) == (2, [], [15, 64, 64])
    assert [example.line for example in cutting.examples] == [1, 2, 3]
    assert [int(example.labels[-1]) for example in cutting.examples].count(hero.tokenizer.eos_token_id) == 1


def test_a_row_that_is_all_prompt_where_it_is_cut_is_refused_and_not_counted_as_cut(
    tmp_path: Path, hero: Hero, recipe: Recipe
) -> None:
    path = write_rows(tmp_path / "quest.jsonl", turn("hi", "yes"), turn("why " * 100, "so"))
    loaded = load_quest(path, hero.mask, replace(recipe, over_long="truncate"))
    assert loaded.truncated == 0
    assert [(refusal.line, refusal.reason) for refusal in loaded.refused] == [
        (2, "the first 64 tokens are all prompt: nothing to train on; raise max_length")
    ]


def test_a_text_is_trained_on_from_its_second_token_to_its_end(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    path = write_rows(tmp_path / "quest.jsonl", {"text": "Once upon"}, turn("hi", "yes"), {"text": "a time"})
    loaded = load_quest(path, hero.mask, recipe)
    told = [loaded.examples[0], loaded.examples[2]]
    assert [hero.tokenizer.decode(example.inputs) for example in told] == ["Once upon", "a time"]
    for example, text in zip(told, ("Once upon", "a time"), strict=True):
        ids = hero.tokenizer(f"{text}<|im_end|>")["input_ids"]
        assert example.labels.tolist() == ids[1:]
    assert loaded.refused == []
    assert hero.tokenizer.decode([label for label in loaded.examples[1].labels if label != IGNORE]) == "yes<|im_end|>"


def test_a_text_of_one_token_has_nothing_to_predict_it_from(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    path = write_rows(tmp_path / "quest.jsonl", *[{"text": "a b"}] * 20, {"text": "<|im_end|>"})
    loaded = load_quest(path, hero.mask, recipe)
    assert [(refusal.line, refusal.reason) for refusal in loaded.refused] == [
        (21, "no token of this row is trained on")
    ]


FULL = "{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content }}{% endif %}{% endfor %}"


def test_a_quest_whose_masks_come_out_full_is_refused_by_line(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    hero.tokenizer.chat_template = FULL
    path = write_rows(tmp_path / "quest.jsonl", *[{"text": "a b"}] * 2, *[turn("q", "an answer")] * 3)
    with pytest.raises(
        UntrainableQuest, match=r"line 3: the mask is full: .* \(3 of 5 rows have no mask to train by\)"
    ):
        load_quest(path, type(hero.mask)(hero_tokenizer(hero.tokenizer)), recipe)


def test_a_few_rows_without_a_mask_are_refused_and_the_rest_is_trained_on(
    tmp_path: Path, hero: Hero, recipe: Recipe
) -> None:
    hero.tokenizer.chat_template = FULL
    path = write_rows(tmp_path / "quest.jsonl", turn("q", "an answer"), *[{"text": "a b"}] * 9)
    loaded = load_quest(path, type(hero.mask)(hero_tokenizer(hero.tokenizer)), recipe)
    assert [(refusal.line, refusal.reason[:16]) for refusal in loaded.refused] == [(1, "the mask is full")]
    assert len(loaded.examples) == 9


def test_refused_rows_are_named_up_to_a_limit_and_all_counted(
    tmp_path: Path, hero: Hero, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MOST_NAMED", 3)
    path = write_rows(tmp_path / "quest.jsonl", *["{"] * 10, turn("hi", "yes"), turn("hi", "no " * 100))
    loaded = load_quest(path, hero.mask, recipe)
    assert ([refusal.line for refusal in loaded.refused], loaded.refused_count) == ([1, 2, 3], 11)


def test_pieces_and_where_tokens_lie_change_nothing(
    tmp_path: Path, hero: Hero, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_hero.write_quest(tmp_path / "quest.jsonl", 40)
    path.write_text(path.read_text() + "{\n" + json.dumps({"text": "once"}))
    seen: list[int] = []
    whole = load_quest(path, hero.mask, recipe, on_progress=lambda: seen.append(1))
    monkeypatch.setattr(parse, "PIECE_ROWS", 7)
    monkeypatch.setattr(storage, "IN_MEMORY_BYTES", 0)
    pieces = load_quest(path, hero.mask, recipe, folder=tmp_path, on_progress=lambda: seen.append(2))
    assert (whole.refused, seen) == (pieces.refused, [1, 2, 2, 2, 2, 2, 2])
    assert [(e.line, e.inputs.tolist(), e.labels.tolist()) for e in whole.examples] == [
        (e.line, e.inputs.tolist(), e.labels.tolist()) for e in pieces.examples
    ]


def test_a_piece_ends_with_the_row_that_makes_it_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "PIECE_CHARACTERS", 10)
    path = write_rows(
        tmp_path / "q.jsonl", {"text": "x" * 4}, turn("y" * 5, "z"), {"text": "x" * 30}, "{", turn("1", "2")
    )
    assert [[row.line for row in piece] for piece in parse.in_pieces(read_rows(path))] == [[1, 2], [3], [4, 5]]


def test_the_order_is_a_function_of_seed_quest_and_epoch(quest: PackedQuest, recipe: Recipe) -> None:
    def order(seed: int, sha256: str, epoch: int) -> list[list[int]]:
        packed = PackedQuest(quest.examples, replace(recipe, seed=seed), quest_sha256=sha256)
        return [packed.lines_of_step(epoch, position) for position in range(packed.steps_per_epoch)]

    orders = [order(*key) for key in [(0, "ab", 0), (1, "ab", 0), (0, "cd", 0), (0, "ab", 1)]]
    assert all(orders.count(one) == 1 for one in orders)
    assert order(0, "ab", 0) == orders[0]
    np.random.seed(7)
    random.seed(7)
    assert order(0, "ab", 1) == orders[3]


def test_the_order_is_the_same_on_every_machine() -> None:
    assert packing.shuffled(8, "0:ab").tolist() == ORDER_OF_EIGHT


ORDER_OF_EIGHT = [1, 3, 2, 0, 7, 4, 6, 5]


def by_the_templates_own_marks(hero: Hero, path: Path) -> Counter[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Inputs and labels of each row by transformers' own assistant mask, up to the last label."""
    expected: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for line in path.read_text().splitlines():
        chat = json.loads(line)["messages"]
        marked = hero.tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        ids, learned = marked["input_ids"], marked["assistant_masks"]
        end = max(place for place, flag in enumerate(learned) if flag)
        labels = [token if flag else IGNORE for token, flag in zip(ids[1:], learned[1:], strict=True)]
        expected[tuple(ids[:end]), tuple(labels[:end])] += 1
    return expected


def check_an_epoch_holds_every_row_as_it_is(quest: PackedQuest, hero: Hero, path: Path) -> None:
    """Nothing truncated, split, dropped or doubled; every answer's labels with its end-of-turn, and no others."""
    found: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for position in range(quest.steps_per_epoch):
        for batch in quest.step(0, position):
            start = 0
            for length in batch.lengths:
                slots = slice(start, start + length)
                found[tuple(batch.inputs_1T[0, slots].tolist()), tuple(batch.labels_1T[0, slots].tolist())] += 1
                start += length
    assert found == by_the_templates_own_marks(hero, path)


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    source = random.Random(3)
    rows: list[dict[str, object]] = []
    for _ in range(40):
        turns = [str(source.randrange(10 ** source.randint(1, 5))) for _ in range(2 * source.randint(1, 2))]
        roles = ("user", "assistant")
        rows.append({"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]})
    return write_rows(tmp_path / "conversations.jsonl", *rows)


def test_an_epoch_holds_every_row_as_it_is(hero: Hero, recipe: Recipe, conversations: Path) -> None:
    loaded = load_quest(conversations, hero.mask, recipe)
    quest = PackedQuest(loaded.examples, recipe, quest_sha256="ab")
    assert len(quest.rows) < 40
    check_an_epoch_holds_every_row_as_it_is(quest, hero, conversations)


def across_the_boundary(examples: Sequence[Example]) -> Batch:
    """transformers#31629, torchtune#1177: the last slot learns the next example's first token."""
    following = [int(example.inputs[0]) for example in examples[1:]]
    moved = [
        Example(example.line, example.inputs, np.append(example.labels[:-1], first))
        for example, first in zip(examples, following, strict=False)
    ]
    return join([*moved, examples[-1]])


def only_the_first_prompt_masked(examples: Sequence[Example]) -> Batch:
    others = [Example(e.line, e.inputs, np.append(e.inputs[1:], e.labels[-1])) for e in examples[1:]]
    return join([examples[0], *others])


def last_cut(examples: Sequence[Example]) -> Batch:
    """trl#4632: what overhangs the row is cut off."""
    last = examples[-1]
    return join([*examples[:-1], Example(last.line, last.inputs[:-1], last.labels[:-1])])


def without_end_of_turn(examples: Sequence[Example]) -> Batch:
    return join([Example(e.line, e.inputs, np.append(e.labels[:-1], IGNORE)) for e in examples])


@pytest.mark.parametrize(
    "bug",
    [across_the_boundary, only_the_first_prompt_masked, last_cut, without_end_of_turn, lambda e: join(e[1:] or e)],
)
def test_twin_with_a_peers_bug_an_epoch_is_another(
    hero: Hero, recipe: Recipe, conversations: Path, monkeypatch: pytest.MonkeyPatch, bug: Callable[..., Batch]
) -> None:
    quest = PackedQuest(load_quest(conversations, hero.mask, recipe).examples, recipe, quest_sha256="ab")
    monkeypatch.setattr(data, "join", bug)
    with pytest.raises(AssertionError):
        check_an_epoch_holds_every_row_as_it_is(quest, hero, conversations)


def test_twin_with_a_packer_that_drops_a_row_an_epoch_is_another(
    hero: Hero, recipe: Recipe, conversations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """trl#5076."""
    pack = packing.pack_best_fit_decreasing

    def dropping(lengths: np.ndarray, row_length: int) -> Rows:
        rows = pack(lengths, row_length)
        return Rows(rows.order, rows.starts[:-1])

    monkeypatch.setattr(packing, "pack_best_fit_decreasing", dropping)
    quest = PackedQuest(load_quest(conversations, hero.mask, recipe).examples, recipe, quest_sha256="ab")
    with pytest.raises(AssertionError):
        check_an_epoch_holds_every_row_as_it_is(quest, hero, conversations)


def test_a_quest_without_a_trainable_row_is_refused(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    path = tmp_path / "quest.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"')
    with pytest.raises(UntrainableQuest, match="line 1: not JSON"):
        load_quest(path, hero.mask, recipe)
