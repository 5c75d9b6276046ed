"""What the preview shows is what the trainer trains on: the same tokens, labels, refusals and packed rows."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from arena import embedded
from arena.gate import report as reports
from arena.gate import row_index, row_seek
from arena.gate.inspection import Look, inspect_in_place
from arena.gate.report import Report
from arena.gate.rules import GateRules
from arena.hero.model import Hero
from arena.preview import rows as preview
from arena.preview.rows import NoSuchRow, PackedRow, Piece, list_rows, preview_line, preview_packed
from arena.recipe import Recipe
from arena.rows.example import IGNORE, fitted
from arena.rows.lines import Line, content_digest, open_quest
from arena.rows.masking import ChatMask, Tokenized
from arena.rows.parse import Refusal, parse_line
from arena.rows.pieces import MOST_HELD
from arena.rows.tokenizer import HeroTokenizer
from arena.training.data import PackedQuest, load_quest
from tests.support import tiny_hero

RECIPE = replace(tiny_hero.RECIPE, max_length=64)
EMOJI = {"prompt": "Wave 👋🏽 née?", "completion": "日本語 👩‍👩‍👧 ok\ufffd"}
SYSTEM = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "2+2"},
        {"role": "assistant", "content": "4"},
    ]
}


@pytest.fixture(scope="module")
def mask() -> ChatMask:
    return ChatMask(HeroTokenizer.load(embedded.SOURCE))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    preview._packed.cache_clear()
    yield
    preview._packed.cache_clear()


@pytest.fixture
def quest(tmp_path: Path) -> Path:
    """Rows of every kind: forms, a blank line, one that is no JSON, one that is too long, and plain ones."""
    path = tiny_hero.write_quest(tmp_path / "quest.jsonl", 40)
    rows: list[object] = [EMOJI, SYSTEM, {"text": "Once upon a time"}, {"instruction": "Say", "output": "so"},
                          {"prompt": "hi", "completion": "no " * 100}, {"text": "<|im_end|>"}]  # fmt: skip
    extra = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"{path.read_text()}\n{{no json\n{extra}\n", encoding="utf-8")
    return path


def write_index(path: Path, mask: ChatMask, recipe: Recipe, set_aside: tuple[int, ...] = ()) -> None:
    """What the gatekeepers leave beside a quest."""
    records, cut = [], 0
    with open_quest(path) as lines:
        for line in lines:
            row = parse_line(line)
            if row is None:
                continue
            record = (line.number, line.offset, -1, -1, row_index.UNREADABLE)
            if not isinstance(row, Refusal):
                (tokenized,) = mask.tokenize_many([row.content])
                assert isinstance(tokenized, Tokenized)
                fit = fitted(tokenized, recipe.max_length, recipe.over_long)
                taken = isinstance(fit, Tokenized)
                cut += taken and fit is not tokenized
                verdict = row_index.UNTRAINABLE if not taken else row_index.TAKEN
                verdict = row_index.SET_ASIDE if line.number in set_aside else verdict
                shown = fit if isinstance(fit, Tokenized) else tokenized
                record = (line.number, line.offset, shown.slots, shown.labels, verdict)
            records.append(record)
    with open(reports.companion(path, reports.ROWS), "wb") as file:
        np.save(file, np.array(records, row_index.DTYPE))
    reports.write_report(
        path,
        Report(
            quest="quest",
            sha256=content_digest(path),
            size_bytes=path.stat().st_size,
            hero_tokenizer=mask.tokenizer.sha256,
            max_length=recipe.max_length,
            warned_by_kind={"cut": cut} if cut else {},
        ),
    )


def shown(path: Path, line: int, mask: ChatMask | None, **options: object) -> preview.RowPreview:
    return preview_line(path, line, mask=mask, max_length=RECIPE.max_length, **options)  # type: ignore[arg-type]


def marked(pieces: tuple[Piece, ...]) -> str:
    return "".join(f"[{piece.text}]" if piece.trained else piece.text for piece in pieces)


def test_a_conversation_as_the_hero_sees_it(quest: Path, mask: ChatMask) -> None:
    row = shown(quest, 44, mask)
    assert (row.data_format, row.refusal, row.cut, row.over_long) == ("messages", None, False, False)
    assert row.rendered == "".join(piece.text for piece in row.pieces)
    answered = [index for index, piece in enumerate(row.pieces) if piece.trained]
    assert [row.pieces[index].text for index in answered] == ["2", "<|im_end|>", "4", "<|im_end|>"]
    assert {piece.text for piece in row.pieces if piece.special} == {"<|im_start|>", "<|im_end|>"}
    assert row.trained_tokens == 4
    assert json.loads(row.raw) == SYSTEM


def test_characters_of_several_tokens_are_one_piece(quest: Path, mask: ChatMask) -> None:
    row = shown(quest, 43, mask)
    assert "".join(piece.text for piece in row.pieces) == row.rendered
    whole = {piece.text: piece for piece in row.pieces}
    assert len(whole["日"].ids) == 3
    assert whole["日"].trained
    assert len(whole["👋"].ids) == 4
    assert not whole["👋"].trained


def test_a_text_is_trained_on_from_its_second_token_to_its_end(quest: Path, mask: ChatMask) -> None:
    row = shown(quest, 45, mask)
    assert (row.data_format, row.rendered) == ("text", "Once upon a time")
    assert [piece.trained for piece in row.pieces] == [False] + [True] * (len(row.pieces) - 1)
    assert row.pieces[-1] == Piece("<|im_end|>", (mask.tokenizer.eos_id,), trained=True, special=True)


def check_rows_are_as_the_trainer_has_them(quest: Path, mask: ChatMask, hero: Hero, recipe: Recipe) -> None:
    """Tokens, labels and refusals of every line, against the examples that the trainer makes."""
    loaded = load_quest(quest, hero.mask, recipe)
    refused = {refusal.line: refusal.reason for refusal in loaded.refused}
    examples = {example.line: example for example in loaded.examples}
    assert examples
    assert refused
    for line in sorted(refused.keys() | examples.keys()):
        row = shown(quest, line, mask, over_long=recipe.over_long)
        assert (row.refusal.reason if row.refusal else None) == refused.get(line)
        if line in examples:
            example = examples[line]
            assert (row.tokens, row.trained_tokens) == (len(example), example.trained_tokens)
            ids = [token for piece in row.pieces for token in piece.ids]
            assert ids[: len(example)] == example.inputs.tolist()
            labels = [token for piece in row.pieces if piece.trained for token in piece.ids]
            assert labels == [label for label in example.labels.tolist() if label != IGNORE]


@pytest.mark.parametrize("over_long", ["refuse", "truncate"])
def test_every_row_is_as_the_trainer_has_it(quest: Path, mask: ChatMask, hero: Hero, over_long: str) -> None:
    recipe = replace(RECIPE, over_long=over_long)  # type: ignore[arg-type]
    check_rows_are_as_the_trainer_has_them(quest, mask, hero, recipe)


@pytest.mark.parametrize(
    ("guard", "without"),
    [
        ("_labels", lambda tokenized: tokenized.trained),
        ("fitted", lambda tokenized, max_length, over_long: tokenized),
        ("parse_line", lambda line, specs: parse_line(line._replace(data=line.data + b" "), specs)
         if line.data.endswith(b"}") else parse_line(Line(line.number, 0, b'{"text": "a b"}'))),
    ],
)  # fmt: skip
def test_twin_with_another_rule_the_rows_differ(
    quest: Path, mask: ChatMask, hero: Hero, monkeypatch: pytest.MonkeyPatch, guard: str, without: object
) -> None:
    monkeypatch.setattr(preview, guard, without)
    with pytest.raises(AssertionError):
        check_rows_are_as_the_trainer_has_them(quest, mask, hero, RECIPE)


def test_what_is_cut_off_is_not_trained(quest: Path, mask: ChatMask) -> None:
    refused, cut = shown(quest, 47, mask), shown(quest, 47, mask, over_long="truncate")
    assert refused.refusal is not None
    assert refused.refusal.reason.endswith("tokens are more than max_length 64; raise it, or set over_long to truncate")
    assert refused.refusal.kind == "too-long"
    assert refused.over_long
    assert cut.over_long
    assert (cut.refusal, cut.tokens) == (None, 64)
    assert [piece.ids for piece in cut.pieces] == [piece.ids for piece in refused.pieces]
    assert sum(piece.trained for piece in cut.pieces) == cut.trained_tokens < refused.trained_tokens


def test_a_row_without_a_mask_is_shown_with_the_reason(quest: Path, mask: ChatMask) -> None:
    row = shown(quest, 46, ChatMask(replace_template(mask, "{{ messages[-1].content }}")))
    assert row.refusal is not None
    assert row.refusal.kind == "mask"
    assert row.refusal.reason.startswith("the mask is")
    assert (row.rendered, row.tokens, row.trained_tokens) == ("so", 0, 0)
    assert not any(piece.trained for piece in row.pieces)
    refusing = "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}"
    row = shown(quest, 46, ChatMask(replace_template(mask, refusing)))
    assert (row.rendered, row.pieces) == ("", ())
    assert "one turn only" in (row.refusal.reason if row.refusal else "")


def replace_template(mask: ChatMask, template: str) -> HeroTokenizer:
    return replace(mask.tokenizer, template=template)


def test_a_row_that_cannot_be_read_is_shown_as_it_stands(quest: Path, mask: ChatMask) -> None:
    row = shown(quest, 42, mask)
    assert (row.raw, row.data_format, row.pieces) == ("{no json", "", ())
    assert row.refusal is not None
    assert row.refusal.reason.startswith("not JSON")


def test_without_a_tokenizer_the_row_is_shown_raw(quest: Path) -> None:
    row = shown(quest, 43, None)
    assert (row.data_format, row.pieces, row.refusal) == ("prompt-completion", (), None)
    assert json.loads(row.raw) == EMOJI


@pytest.mark.parametrize("indexed", [False, True])
def test_a_line_that_is_no_row_is_named(quest: Path, mask: ChatMask, indexed: bool) -> None:
    if indexed:
        write_index(quest, mask, RECIPE)
    with pytest.raises(NoSuchRow, match=r"line 41 of quest\.jsonl is blank"):
        shown(quest, 41, mask)
    with pytest.raises(NoSuchRow, match=r"quest\.jsonl has no line 99"):
        shown(quest, 99, mask)


def test_a_huge_row_is_shown_in_part_and_counted_whole(
    tmp_path: Path, mask: ChatMask, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "quest.jsonl"
    path.write_text(json.dumps({"text": "word " * 100}) + "\n")
    whole = shown(path, 1, mask)
    monkeypatch.setattr(preview, "MOST_TOKENS", 20)
    monkeypatch.setattr(preview, "RENDERED_CHARACTERS", 30)
    monkeypatch.setattr(preview, "RAW_BYTES", 10)
    part = shown(path, 1, mask)
    assert (whole.cut, part.cut) == (False, True)
    assert (part.tokens, part.trained_tokens, part.refusal) == (whole.tokens, whole.trained_tokens, whole.refusal)
    assert part.pieces == whole.pieces[: len(part.pieces)]
    assert sum(len(piece.ids) for piece in part.pieces) == 20
    assert (len(part.rendered), len(part.raw)) == (30, 10)


def packed_as_trained(quest: Path, hero: Hero, recipe: Recipe, set_aside: tuple[int, ...] = ()) -> list[list[object]]:
    """Lines, tokens and labels of every row that training packs, row by row."""
    sha256 = content_digest(quest)
    packed = PackedQuest(
        load_quest(quest, hero.mask, recipe, set_aside=set_aside).examples, recipe, quest_sha256=sha256
    )
    rows: list[list[object]] = []
    for row in packed.rows:
        examples = [packed.examples[index] for index in row]
        rows.append([(e.line, e.inputs.tolist(), [t for t in e.labels.tolist() if t != IGNORE]) for e in examples])
    return rows


def packed_as_shown(quest: Path, mask: ChatMask, recipe: Recipe) -> list[list[object]]:
    sha256, of = content_digest(quest), 1
    rows: list[list[object]] = []
    while len(rows) < of:
        row = preview_packed(quest, len(rows) + 1, mask=mask, recipe=recipe, quest_sha256=sha256)
        of = row.of
        rows.append([example_as_shown(example) for example in row.examples])
    return rows


def example_as_shown(example: preview.PackedExample) -> object:
    ids = [token for piece in example.pieces for token in piece.ids]
    labels = [token for piece in example.pieces if piece.trained for token in piece.ids]
    assert (example.tokens, example.trained_tokens) == (len(ids) - 1, len(labels))
    return example.line, ids[:-1], labels


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("over_long", ["refuse", "truncate"])
def test_packed_rows_are_those_that_training_makes(
    quest: Path, mask: ChatMask, hero: Hero, indexed: bool, over_long: str
) -> None:
    recipe = replace(RECIPE, over_long=over_long, seed=5)  # type: ignore[arg-type]
    if indexed:
        write_index(quest, mask, recipe)
        assert preview.knows_packing(quest, mask=mask, recipe=recipe, quest_sha256=content_digest(quest))
    assert packed_as_shown(quest, mask, recipe) == packed_as_trained(quest, hero, recipe)


def test_rows_that_were_set_aside_are_in_no_packed_row(quest: Path, mask: ChatMask, hero: Hero) -> None:
    write_index(quest, mask, RECIPE, set_aside=(3, 44))
    expected = packed_as_trained(quest, hero, RECIPE, set_aside=(3, 44))
    assert packed_as_shown(quest, mask, RECIPE) == expected
    other = replace(RECIPE, max_length=80)  # the index counts for another length, but what it set aside stays so
    assert packed_as_shown(quest, mask, other) == packed_as_trained(quest, hero, other, set_aside=(3, 44))


def test_the_gatekeepers_own_index_gives_the_packed_rows_of_training(quest: Path, mask: ChatMask, hero: Hero) -> None:
    quest.write_text(f"{quest.read_text()}{json.dumps(EMOJI)}\n")
    look = Look(rules=GateRules(), recipe=RECIPE, mask=mask, tokenizer_sha256=mask.tokenizer.sha256)
    inspect_in_place(quest, look, on_progress=lambda rows, size_bytes: None)
    index = row_seek.fresh_index(quest)
    assert index is not None
    set_aside = tuple(row_index.set_aside_lines(index).tolist())
    assert 49 in set_aside
    assert preview.knows_packing(quest, mask=mask, recipe=RECIPE, quest_sha256=content_digest(quest))
    assert packed_as_shown(quest, mask, RECIPE) == packed_as_trained(quest, hero, RECIPE, set_aside)


@pytest.mark.parametrize(
    ("counted", "asked"),
    [
        (RECIPE, replace(RECIPE, over_long="truncate")),
        (replace(RECIPE, over_long="truncate"), RECIPE),
        (RECIPE, replace(RECIPE, max_length=40)),
        (replace(RECIPE, max_length=20), RECIPE),
    ],
)
def test_an_index_counted_for_another_recipe_is_not_believed(
    quest: Path, mask: ChatMask, hero: Hero, counted: Recipe, asked: Recipe
) -> None:
    write_index(quest, mask, counted)
    assert not preview.knows_packing(quest, mask=mask, recipe=asked, quest_sha256=content_digest(quest))
    assert packed_as_shown(quest, mask, asked) == packed_as_trained(quest, hero, asked)


def test_an_index_counted_with_another_tokenizer_or_of_another_quest_is_not_believed(
    quest: Path, mask: ChatMask
) -> None:
    write_index(quest, mask, RECIPE)
    other = ChatMask(replace_template(mask, f"{mask.tokenizer.template} "))
    sha256 = content_digest(quest)
    assert preview.knows_packing(quest, mask=mask, recipe=RECIPE, quest_sha256=sha256)
    assert not preview.knows_packing(quest, mask=other, recipe=RECIPE, quest_sha256=sha256)
    assert not preview.knows_packing(quest, mask=mask, recipe=RECIPE, quest_sha256="ab")


def lie(path: Path) -> None:
    """An index whose lengths are another row's."""
    records = row_index.load(reports.companion(path, reports.ROWS), mode="r+")
    assert records is not None
    taken = np.flatnonzero(records["verdict"] == row_index.TAKEN)
    records["tokens"][taken] = records["tokens"][taken][::-1]


def test_twin_with_a_lying_index_believed_another_row_is_shown(
    quest: Path, mask: ChatMask, hero: Hero, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "_are_long", lambda *given: True)
    with pytest.raises(AssertionError):
        test_an_index_that_says_what_is_not_so_is_not_believed(quest, mask, hero)


def test_an_index_that_says_what_is_not_so_is_not_believed(quest: Path, mask: ChatMask, hero: Hero) -> None:
    write_index(quest, mask, RECIPE, set_aside=(3,))
    lie(quest)
    first = preview_packed(quest, 1, mask=mask, recipe=RECIPE, quest_sha256=content_digest(quest))
    expected = packed_as_trained(quest, hero, RECIPE, set_aside=(3,))[0]
    assert [example_as_shown(example) for example in first.examples] == expected


@pytest.mark.parametrize(
    ("guard", "without"),
    [
        ("_counted_alike", lambda *given: True),
        ("left_out_lines", lambda index: np.empty(0, np.int64)),
        ("fitted", lambda tokenized, max_length, over_long: tokenized),
    ],
)
def test_twin_with_a_check_left_out_the_packed_rows_differ(
    quest: Path, mask: ChatMask, hero: Hero, monkeypatch: pytest.MonkeyPatch, guard: str, without: object
) -> None:
    write_index(quest, mask, replace(RECIPE, over_long="truncate"), set_aside=(3,))
    assert packed_as_shown(quest, mask, RECIPE) == packed_as_trained(quest, hero, RECIPE, set_aside=(3,))
    preview._packed.cache_clear()
    monkeypatch.setattr(preview, guard, without)
    with pytest.raises((AssertionError, ValueError)):
        assert packed_as_shown(quest, mask, RECIPE) == packed_as_trained(quest, hero, RECIPE, set_aside=(3,))


def test_twin_with_another_seed_the_packed_rows_differ(quest: Path, mask: ChatMask, hero: Hero) -> None:
    assert packed_as_shown(quest, mask, replace(RECIPE, seed=1)) != packed_as_trained(quest, hero, RECIPE)


def test_a_packed_row_says_in_which_step_it_is_trained(quest: Path, mask: ChatMask, hero: Hero) -> None:
    sha256 = content_digest(quest)
    packed = PackedQuest(load_quest(quest, hero.mask, RECIPE).examples, RECIPE, quest_sha256=sha256)
    assert packed.steps_per_epoch > 1
    for number in range(1, len(packed.rows) + 1):
        row = preview_packed(quest, number, mask=mask, recipe=RECIPE, quest_sha256=sha256)
        assert {example.line for example in row.examples} <= set(packed.lines_of_step(0, row.step - 1))
        assert sum(example.tokens for example in row.examples) == row.tokens <= row.max_length


def test_a_packed_row_that_is_not_there_is_named(quest: Path, mask: ChatMask, tmp_path: Path) -> None:
    def packed(path: Path, number: int) -> PackedRow:
        return preview_packed(path, number, mask=mask, recipe=RECIPE, quest_sha256="ab")

    of = packed(quest, 1).of
    for number in (0, of + 1):
        with pytest.raises(NoSuchRow, match=f"into {of} rows; there is no number {number}"):
            packed(quest, number)
    (tmp_path / "none.jsonl").write_text("{\n")
    with pytest.raises(NoSuchRow, match="into 0 rows"):
        packed(tmp_path / "none.jsonl", 1)


def by_reading(path: Path, first: int) -> list[Line]:
    with open_quest(path) as lines:
        return [line for line in lines if line.number >= first and line.data]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_lines_by_the_index_are_those_found_by_reading(
    tmp_path: Path, mask: ChatMask, monkeypatch: pytest.MonkeyPatch, bom: bytes
) -> None:
    path = tmp_path / "quest.jsonl"
    path.write_bytes(bom + b'{"text": "a"}\n\n{"text": "b"}\r\n' + b'{"text": "' + b"c" * 90 + b'"}\n{\n{"text": "d"}')
    expected = {first: by_reading(path, first) for first in (1, 3, 4, 5, 6, 7)}
    write_index(path, mask, RECIPE)
    monkeypatch.setattr(row_seek, "open_quest", None)
    for first, lines in expected.items():
        assert list(row_seek.lines_from(path, first)) == lines
    assert row_seek.lines_at(path, [6, 3]) == {6: expected[6][0], 3: expected[3][0]}
    monkeypatch.setattr(row_seek, "LARGEST_LINE_BYTES", 40)
    assert [line.data is None for line in row_seek.lines_from(path, 3)] == [False, True, False, False]
    assert [line.number for line in row_seek.lines_from(path, 3)] == [3, 4, 5, 6]


def damaged(index: Path, quest: Path) -> None:
    index.write_bytes(index.read_bytes()[:-5])


def no_array(index: Path, quest: Path) -> None:
    index.write_bytes(b"no array")


def of_objects(index: Path, quest: Path) -> None:
    np.save(index, np.array([{}, []], dtype=object), allow_pickle=True)


def older_than_the_quest(index: Path, quest: Path) -> None:
    quest.write_text(f'{{"text": "another first row"}}\n{quest.read_text()}')
    then = quest.stat().st_mtime_ns
    os.utime(index, ns=(then - 1, then - 1))


def of_another_file(index: Path, quest: Path) -> None:
    quest.write_text(f'{{"text": "another first row"}}\n{quest.read_text()}')
    then = quest.stat().st_mtime_ns
    os.utime(index, ns=(then + 1, then + 1))


@pytest.mark.parametrize("harm", [damaged, no_array, of_objects, older_than_the_quest, of_another_file])
def test_an_index_that_is_damaged_or_stale_counts_as_absent(
    quest: Path, mask: ChatMask, harm: Callable[[Path, Path], None]
) -> None:
    write_index(quest, mask, RECIPE)
    harm(reports.companion(quest, reports.ROWS), quest)
    for first in (2, 40, 43):
        assert list(row_seek.lines_from(quest, first)) == by_reading(quest, first)
    assert row_seek.lines_at(quest, [7, 3]) == {
        line.number: line for line in by_reading(quest, 3) if line.number in (3, 7)
    }


@pytest.mark.parametrize("guard", ["_begins_line", "fresh_index"])
def test_twin_with_a_stale_index_believed_other_lines_are_found(
    quest: Path, mask: ChatMask, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    write_index(quest, mask, RECIPE)
    index = row_index.load(reports.companion(quest, reports.ROWS))
    if guard == "_begins_line":
        monkeypatch.setattr(row_seek, "_begins_line", lambda *given: True)
        of_another_file(reports.companion(quest, reports.ROWS), quest)
    else:
        older_than_the_quest(reports.companion(quest, reports.ROWS), quest)
        monkeypatch.setattr(row_seek, "fresh_index", lambda path: index)
        monkeypatch.setattr(row_seek, "_begins_line", lambda *given: True)
    assert list(row_seek.lines_from(quest, 40)) != by_reading(quest, 40)


def test_a_compressed_quest_is_read_on(quest: Path, mask: ChatMask, tmp_path: Path) -> None:
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(quest.read_bytes()))
    write_index(packed, mask, RECIPE)
    assert shown(packed, 44, mask) == shown(quest, 44, mask)
    assert packed_as_shown(packed, mask, RECIPE) == packed_as_shown(quest, mask, RECIPE)


@pytest.mark.parametrize("indexed", [False, True])
def test_rows_are_listed_from_a_line_on(quest: Path, mask: ChatMask, indexed: bool) -> None:
    if indexed:
        write_index(quest, mask, RECIPE)
    rows = list_rows(quest, 40, 4)
    assert [row.line for row in rows] == [40, 42, 43, 44]
    assert [row.data_format for row in rows] == ["messages", "", "prompt-completion", "messages"]
    assert rows[1].refusal is not None
    assert rows[1].text == "{no json"
    assert rows[2].text == "user: Wave 👋🏽 née? assistant: 日本語 👩‍👩‍👧 ok\ufffd"
    assert list_rows(quest, 49, 4) == []


def tokenizers() -> dict[str, Tokenizer]:
    """Decoders of other kinds, each trained here."""
    made = {}
    for name, decoder, pre_tokenizer in (
        ("byte-level", decoders.ByteLevel(), pre_tokenizers.ByteLevel(add_prefix_space=False)),
        ("metaspace", decoders.Metaspace(), pre_tokenizers.Metaspace()),
    ):
        backend = Tokenizer(models.BPE(unk_token="<unk>"))
        backend.decoder, backend.pre_tokenizer = decoder, pre_tokenizer  # type: ignore[assignment]
        trainer = trainers.BpeTrainer(
            vocab_size=340, special_tokens=["<unk>", "<|im_start|>", "<|im_end|>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
        backend.train_from_iterator(["日本 日本 日 née née the sum of two and two", "日日本語"] * 9, trainer)
        made[name] = backend
    fallback = Tokenizer(models.BPE({f"<0x{byte:02X}>": byte for byte in range(256)} | {"▁": 256, "a": 257}, [],
                                    byte_fallback=True))  # fmt: skip
    fallback.pre_tokenizer = pre_tokenizers.Metaspace()
    fallback.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made | {"byte-fallback": fallback}


TOKENIZERS = tokenizers()
CHATML = (embedded.SOURCE / "chat_template.jinja").read_text()
FRAGMENTS = st.sampled_from(
    [*"aé日本 \n\t\ufffd", "👩‍👩‍👧", "👋🏽", "e\u0301", "<|im_end|>", "the sum", "\u202e", "\x1b"]
)


@settings(derandomize=True, deadline=None)
@given(text=st.lists(FRAGMENTS, max_size=40).map("".join))
@pytest.mark.parametrize("name", TOKENIZERS)
def test_pieces_are_all_tokens_in_order_and_their_texts_the_whole(name: str, text: str) -> None:
    tokenizer = HeroTokenizer(backend=TOKENIZERS[name], template=CHATML, named_tokens={"eos_token": "<|im_end|>"})
    mask = ChatMask(tokenizer)
    ids = tokenizer.encode(text)
    pieces = list(preview._pieces(mask, ids, [True] * len(ids)))
    assert [token for piece in pieces for token in piece.ids] == ids
    assert "".join(piece.text for piece in pieces) == tokenizer.decode(ids)
    assert all("\ufffd" not in piece.text for piece in pieces) or "\ufffd" in text


def test_a_text_of_replacement_characters_is_not_waited_for(mask: ChatMask) -> None:
    """None of its pieces looks whole."""
    ids = mask.tokenizer.encode("\ufffd" * 1000)
    pieces = list(preview._pieces(mask, ids, []))
    assert max(len(piece.ids) for piece in pieces) == MOST_HELD
    assert "".join(piece.text for piece in pieces) == "\ufffd" * 1000
