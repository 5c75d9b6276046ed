import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from arena import embedded
from arena.rows.tokenizer import HeroTokenizer
from guild.skills.registry import get_skill
from guild.trainers import numbering, syllacrostic
from guild.trainers.lexicon import Word, read_lexicon
from guild.trainers.numbering import FEWEST_PROBLEMS
from guild.trainers.problems import Problem
from guild.trainers.syllacrostic import TASK, WeavingLevel, WordWeaver, shorten
from realm.strict import BadConfig, read

SHIPPED = get_skill("sy")
LEVELS = range(1, SHIPPED.max_level + 1)
BANKS = ("ordered", "grouped", "shuffled")


@cache
def shipped() -> WordWeaver:
    return WordWeaver("sy", SHIPPED.levels)


@cache
def parameters(level: int) -> WeavingLevel:
    return read(WeavingLevel, SHIPPED.levels[level - 1], source="sy")


def parts(problem: Problem) -> tuple[list[tuple[str, str]], list[str]]:
    """Clues with their hints, and the bank."""
    task, *lines, bank = problem.prompt.split("\n")
    assert task == TASK
    clues = []
    for row, line in enumerate(lines, 1):
        found = re.fullmatch(rf"{row} ([a-z' -]+?)(?: \(([^()]*)\))?", line)
        assert found, line
        clues.append((found[1], found[2] or ""))
    return clues, bank.split(": ")[1].split(" ")


def solved(problem: Problem) -> Iterator[Word]:
    """The words by the lexicon and the clues alone; fails if a clue has none or several."""
    most = parameters(problem.level).clue_words
    for clue, _ in parts(problem)[0]:
        (word,) = [word for word in read_lexicon() if shorten(word.clue, most) == clue]
        yield word


def test_there_are_fifty_levels() -> None:
    assert len(LEVELS) == 50


@pytest.mark.parametrize("level", LEVELS)
def test_clues_and_lexicon_have_one_answer_and_the_bank_is_used_up(level: int) -> None:
    wanted = parameters(level)
    for problem in shipped().sample(level=level, count=8, seed=4):
        words = list(solved(problem))
        assert problem.answer == " ".join(word.text for word in words)
        assert len(words) == wanted.words == len(set(words))
        bank = Counter(parts(problem)[1])
        needed = Counter(syllable for word in words for syllable in word.syllables)
        left_over = bank - needed
        assert needed <= bank
        assert left_over.total() == wanted.spare
        assert not set(left_over) & set(needed)


@pytest.mark.parametrize("level", LEVELS)
def test_a_prompt_gives_the_hints_of_its_level_and_no_other(level: int) -> None:
    wanted = parameters(level)
    for problem in shipped().sample(level=level, count=30, seed=5):
        clues, bank = parts(problem)
        words = problem.answer.split(" ")
        for (_, hint), word in zip(clues, words, strict=True):
            said = hint.split()
            if wanted.counts:
                assert len(bank) >= int(said.pop(0)) > 1
            assert said == ([f"{word[: wanted.letters]}-"] if wanted.letters else [])
        told = f"{wanted.spare} not at all" in problem.prompt
        assert told == (wanted.spare > 0 and wanted.spare_told)
        assert ("some not at all" in problem.prompt) == (wanted.spare > 0 and not wanted.spare_told)


def test_a_bank_stands_in_order_in_groups_or_mixed() -> None:
    def in_order(level: WeavingLevel) -> int:
        trainer = WordWeaver("sy", [vars_of(level)])
        banks = [("".join(parts(p)[1]), p.answer) for p in trainer.sample(level=1, count=200, seed=1)]
        return sum(bank == answer.replace(" ", "") for bank, answer in banks)

    ordered = replace(parameters(1), bank="ordered")
    assert in_order(ordered) == 200
    assert 10 <= in_order(replace(ordered, bank="grouped")) <= 70  # one order of six
    assert in_order(replace(ordered, bank="shuffled")) <= 5  # one of 720


def test_in_groups_syllables_of_a_word_stay_together() -> None:
    level = next(level for level in LEVELS if parameters(level).bank == "grouped")
    for problem in shipped().sample(level=level, count=100, seed=1):
        assert all(word in "".join(parts(problem)[1]) for word in problem.answer.split(" "))


def vars_of(level: WeavingLevel) -> dict[str, object]:
    return {name: getattr(level, name) for name in WeavingLevel.__dataclass_fields__}


def signal(level: WeavingLevel) -> tuple[int, ...]:
    """What the hero is given, each entry the more the easier; line_letters only keeps lines short."""
    return (
        -level.words, -level.pool, -level.syllables, level.clue_words, level.letters, level.counts,
        -BANKS.index(level.bank), -level.spare, level.spare_told,
    )  # fmt: skip


def is_harder(old: WeavingLevel, new: WeavingLevel) -> bool:
    before, after = signal(old), signal(new)
    return before != after and all(a <= b for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("level", LEVELS[1:])
def test_each_level_takes_something_away_and_gives_nothing_back(level: int) -> None:
    assert is_harder(parameters(level - 1), parameters(level))


def test_twin_an_easier_level_is_seen() -> None:
    assert not any(is_harder(parameters(level), parameters(level - 1)) for level in LEVELS[1:])
    assert not is_harder(parameters(3), replace(parameters(4), letters=0, words=2, pool=2000))


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_has_a_million_different_sets_of_words(level: int) -> None:
    assert parameters(level).sets >= FEWEST_PROBLEMS
    assert shipped().size(level) >= FEWEST_PROBLEMS


@pytest.mark.parametrize("level", [1, 22, 50])
def test_no_two_numbers_make_the_same_puzzle(level: int) -> None:
    size = shipped().size(level)
    some = [*range(1000), *range(1000, size, size // 1000 | 1), size - 1]
    prompts = {shipped().problem(level, number).prompt for number in some}
    assert len(prompts) == len(set(some))


def test_twin_a_stride_that_shares_a_divisor_makes_puzzles_of_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_stride", lambda total: total // 2)
    assert len({shipped().problem(1, number).answer for number in range(100)}) == 2


def test_every_arrangement_of_a_small_box_is_made_once() -> None:
    made = {tuple(numbering.arrangement(numbering.spread(number, 60), 5, 3)) for number in range(60)}
    assert len(made) == 60
    assert all(len(set(one)) == 3 and set(one) <= set(range(5)) for one in made)


@pytest.mark.parametrize("level", LEVELS)
def test_the_longest_puzzle_that_there_can_be_fits_in_256_tokens(level: int) -> None:
    assert longest(parameters(level)) <= 256


def test_twin_without_a_limit_to_a_line_the_longest_does_not_fit() -> None:
    assert longest(replace(parameters(23), line_letters=80)) > 256


@cache
def tokenizer() -> HeroTokenizer:
    return HeroTokenizer.load(embedded.SOURCE)


@cache
def count(text: str) -> int:
    return len(tokenizer().encode(text))


def longest(level: WeavingLevel) -> int:
    """Tokens of the longest lines with the longest syllables, prompt and answer together."""

    def line(word: Word) -> int:
        told = count(f"\n1 {shorten(word.clue, level.clue_words)}{level._hint(word)}")
        return told + sum(count(f" {syllable}") for syllable in word.syllables) + count(f" {word.text}")

    chat = [{"role": "user", "content": f"{TASK}\n{level._bank_title()}"}, {"role": "assistant", "content": ""}]
    strays = sorted((count(f" {syllable}") for syllable in level._strays), reverse=True)
    lines = sorted(map(line, level.choice), reverse=True)
    return count(tokenizer().render(chat)) + sum(lines[: level.words]) + sum(strays[: level.spare])


@pytest.mark.parametrize("level", [1, 20, 50])
def test_the_longest_is_no_shorter_than_what_is_drawn(level: int) -> None:
    for problem in shipped().sample(level=level, count=200, seed=2):
        chat = [{"role": "user", "content": problem.prompt}, {"role": "assistant", "content": problem.answer}]
        assert count(tokenizer().render(chat)) <= longest_of(level)


@cache
def longest_of(level: int) -> int:
    return longest(parameters(level))


def test_the_same_seed_gives_the_same_puzzles_on_every_machine() -> None:
    first = shipped().sample(level=1, count=1, seed=1)[0]
    assert first.answer == "mention problem figure"
    puzzles = "\n".join(
        p.prompt + p.answer for level in LEVELS for p in shipped().sample(level=level, count=10, seed=1)
    )
    # Written down once; a change here changes everybody's evaluation sets.
    assert (
        hashlib.sha256(puzzles.encode()).hexdigest()
        == "6ec513e917c3734d8f3dd84f1adbc86a9b9b148f93fddaa94f13aef2613ededf"
    )
    assert shipped().sample(level=2, count=50, seed=9) != shipped().sample(level=2, count=50, seed=10)
    assert shipped().sample(level=2, count=5) != shipped().sample(level=2, count=5)


WRONG = (
    "",
    "rabbit",
    "window rabbit",
    "rabbit, window",
    "rabbitwindow",
    "rabbit window.",
    "1 rabbit 2 window",
    "rab bit window",
)


@pytest.mark.parametrize("tolerant", [[], ["case"], ["spaces"], ["case", "spaces"]])
def test_a_judge_accepts_what_its_level_states_and_no_more(tolerant: list[str]) -> None:
    trainer = WordWeaver("sy", [dict(SHIPPED.levels[0]) | {"tolerant": tolerant}])
    problem = Problem("?", "rabbit window", "sy", 1)
    assert trainer.judge(problem, "rabbit window")
    assert trainer.judge(problem, " rabbit window\n")
    assert trainer.judge(problem, "Rabbit WINDOW") == ("case" in tolerant)
    assert trainer.judge(problem, "rabbit  \n window") == ("spaces" in tolerant)
    assert trainer.judge(problem, "Rabbit\nWindow") == (len(tolerant) == 2)
    assert [wrong for wrong in WRONG if trainer.judge(problem, wrong)] == []


def test_twin_without_the_check_of_shared_clues_a_puzzle_has_two_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syllacrostic, "told_apart", lambda clue_words: read_lexicon())
    trainer = WordWeaver("sy", [vars_of(parameters(LEVELS[-1]))])
    problems = [replace(p, level=LEVELS[-1]) for p in trainer.sample(level=1, count=60, seed=1)]
    with pytest.raises(ValueError, match="too many values to unpack"):
        _ = [list(solved(problem)) for problem in problems]


def test_a_level_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="sy has no level 51; it has 1 to 50"):
        shipped().sample(level=51, count=1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pool": 100}, r"levels\[0\]: pool: 3 of 100 words do not make 1000000 different puzzles"),
        ({"pool": 9000}, "pool: 9000 is not allowed; the lexicon has"),
        ({"words": 9}, "words: 9 is not allowed; allowed are 2 to 8"),
        ({"bank": "sorted"}, "bank: 'sorted' is not allowed; allowed are ordered, grouped, shuffled"),
        ({"tolerant": ["spelling"]}, r"tolerant\[0\]: 'spelling' is not allowed; allowed are case, spaces"),
        ({"letter": 2}, "unknown key 'letter'; allowed are bank.*did you mean 'letters'"),
        ({"counts": 1}, "counts: true or false is expected"),
        ({"words": 8, "pool": 25, "syllables": 5, "spare": 20}, "spare: 25 words have too few syllables for 20 spare"),
        ({"spare": -1}, "spare: -1 is not allowed; allowed are 0 to 20"),
    ],
)
def test_a_bad_level_is_refused_by_key(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        WordWeaver("sy", [dict(SHIPPED.levels[0]) | change])
