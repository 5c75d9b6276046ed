import hashlib
import re
from functools import cache

import pytest

from arena import embedded
from arena.rows.tokenizer import HeroTokenizer
from guild.skills.registry import get_skill
from guild.trainers import numbering
from guild.trainers.binary import BinaryAlchemist
from guild.trainers.binary_words import CHANGES, OPERATIONS, ExpressionLevel, circled
from guild.trainers.numbering import FEWEST_PROBLEMS
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive
from realm.strict import BadConfig, read

SHIPPED = get_skill("bin")
LEVELS = range(1, SHIPPED.max_level + 1)
EXPRESSIONS = LEVELS[3:]


@cache
def shipped() -> BinaryAlchemist:
    return BinaryAlchemist("bin", SHIPPED.levels)


def expression_level(level: int) -> ExpressionLevel:
    return read(ExpressionLevel, SHIPPED.levels[level - 1], source="bin")


def number(bits: str) -> int:
    return int(bits.replace("⓪", "0").replace("①", "1"), 2)


def expected(prompt: str) -> str:
    return of_an_expression(prompt) if prompt.startswith("UNSIGNED") else of_one_operation(prompt)


def of_one_operation(prompt: str) -> str:
    """The answer worked out from the prompt alone, bit by bit, by other means than the trainer's."""
    name, first, *rest = prompt.split(" ")
    if name == "NOT":
        return first.translate(str.maketrans("⓪①", "①⓪"))
    (second,) = rest
    if name == "ADD":
        return circled(number(first) + number(second), len(first) + 1)
    ones_wanted = {"AND": {2}, "OR": {1, 2}, "XOR": {1}}[name]
    pairs = map("".join, zip(first, second, strict=True))
    return "".join("①" if pair.count("①") in ones_wanted else "⓪" for pair in pairs)


def of_an_expression(prompt: str) -> str:
    """Worked out as written, innermost brackets first, each operation on texts of bits or by its own definition."""
    width, text = re.fullmatch(r"UNSIGNED (\d+) BITS: (.*)", prompt).groups()  # type: ignore[union-attr]
    text = re.sub(r"([A-Z][A-Z0-9]+) ([⓪①]+)(?=[) ]|$)", _changed, text)
    while "(" in text:
        text = re.sub(r"\(([^()]*)\)", lambda inner: _joined(inner[1], int(width)), text)
    return _joined(text, int(width))


def _changed(found: re.Match[str]) -> str:
    name, bits = found.groups()
    if name in OPERATIONS:
        return found[0]
    ones, width = bits.count("①"), len(bits)
    down, up = circled(number(bits) + 2**width - 1, width), circled(number(bits) + 1, width)
    flipped = bits.translate(str.maketrans("⓪①", "①⓪"))
    return {
        "NOT": flipped,
        "SHL1": bits[1:] + "⓪",
        "SHR1": "⓪" + bits[:-1],
        "ROL1": bits[1:] + bits[0],
        "ROR1": bits[-1] + bits[:-1],
        "INC": up,
        "DEC": down,
        "NEG": circled(number(flipped) + 1, width),
        "REVERSE": bits[::-1],
        "POPCOUNT": circled(ones, width),
        "PARITY": circled(ones % 2, width),
    }[name]


def _joined(text: str, width: int) -> str:
    left, name, right = text.split(" ")
    assert len(left) == len(right) == width
    a, b = number(left), number(right)
    if name in ("AND", "OR", "XOR"):
        return of_one_operation(f"{name} {left} {right}")
    return {
        "ADD": circled(a + b, width),
        "SUB": circled(2**width + a - b, width),
        "MUL": circled(sum(a << place for place in range(width) if b >> place & 1), width),
        "MAX": max(left, right, key=number),
        "MIN": min(left, right, key=number),
    }[name]


@pytest.mark.parametrize("level", LEVELS)
def test_every_answer_is_right(level: int) -> None:
    for problem in shipped().sample(level=level, count=500, seed=1):
        assert problem.answer == expected(problem.prompt), problem


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_has_a_million_distinct_problems(level: int) -> None:
    assert shipped().size(level) >= FEWEST_PROBLEMS


@pytest.mark.parametrize("level", LEVELS)
def test_no_two_numbers_of_a_level_make_the_same_problem(level: int) -> None:
    trainer = shipped()
    size = trainer.size(level)
    some = [*range(1000), *range(1000, size, max(1, size // 2000) | 1)]
    prompts = {trainer.problem(level, number).prompt for number in some}
    assert len(prompts) == len(some)


def test_twin_a_stride_that_shares_a_divisor_makes_problems_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_stride", lambda total: total // 2)
    prompts = {shipped().problem(30, number).prompt for number in range(1000)}
    assert len(prompts) == 2


@pytest.mark.parametrize("level", EXPRESSIONS)
def test_each_level_has_all_of_the_one_before_and_more(level: int) -> None:
    """The first of them has the operations of levels 2 and 3, on wider words."""
    new = expression_level(level)
    if level == EXPRESSIONS[0]:
        assert set(new.operations) >= {"AND", "OR", "XOR", "ADD"}
        assert new.width > 10
    else:
        assert harder(expression_level(level - 1), new)


def harder(old: ExpressionLevel, new: ExpressionLevel) -> bool:
    kept = set(old.operations) <= set(new.operations) and set(old.changes) <= set(new.changes)
    grown = old.words <= new.words and old.width <= new.width and (old.brackets, new.brackets) != ("free", "left")
    return kept and grown and old != new


def test_twin_an_easier_level_is_seen() -> None:
    assert not any(harder(expression_level(level), expression_level(level - 1)) for level in EXPRESSIONS[1:])


def test_the_last_level_asks_for_all_there_is() -> None:
    last = expression_level(LEVELS[-1])
    assert (set(last.operations), set(last.changes)) == (set(OPERATIONS), set(CHANGES))


@pytest.mark.parametrize("level", LEVELS)
def test_a_problem_and_its_answer_fit_in_256_tokens(level: int) -> None:
    tokenizer = HeroTokenizer.load(embedded.SOURCE)
    for problem in shipped().sample(level=level, count=200, seed=2):
        chat = [
            {"role": "user", "content": problem.prompt},
            {"role": "assistant", "content": problem.answer},
        ]
        assert len(tokenizer.encode(tokenizer.render(chat))) <= 256


def test_a_sample_holds_no_problem_twice() -> None:
    problems = shipped().sample(level=1, count=20_000, seed=3)
    assert len({problem.key for problem in problems}) == 20_000


def test_the_same_seed_gives_the_same_problems_on_every_machine() -> None:
    trainer = shipped()
    assert trainer.sample(level=2, count=50, seed=9) == trainer.sample(level=2, count=50, seed=9)
    assert trainer.sample(level=2, count=50, seed=9) != trainer.sample(level=2, count=50, seed=10)
    # Written down once; a change here changes everybody's evaluation sets.
    assert trainer.sample(level=1, count=1, seed=1)[0].prompt == "NOT ⓪①①⓪⓪⓪①⓪⓪⓪①①⓪⓪⓪⓪⓪⓪⓪⓪"
    prompts = "\n".join(p.prompt + p.answer for level in LEVELS for p in trainer.sample(level=level, count=20, seed=1))
    assert (
        hashlib.sha256(prompts.encode()).hexdigest()
        == "917f5f5f77a8e6a32b0aaaca403a4060d83447c0d4c455b3489c0799d43218ec"
    )
    assert derive("evaluation", "bin", 1) == 14067218566736695514


def test_without_a_seed_samples_differ() -> None:
    trainer = shipped()
    assert trainer.sample(level=1, count=20) != trainer.sample(level=1, count=20)


def test_judging_is_exact_but_for_white_space_around() -> None:
    trainer = shipped()
    problem = Problem("NOT ⓪①", "①⓪", "bin", 1)
    assert trainer.judge(problem, "①⓪")
    assert trainer.judge(problem, " ①⓪\n")
    for wrong in ("", "①", "①①", "① ⓪", "①⓪.", "10", "①⓪①⓪", "The answer is ①⓪"):
        assert not trainer.judge(problem, wrong), wrong


def test_the_key_tells_skill_and_prompt_apart_and_not_the_level() -> None:
    problem = Problem("NOT ⓪", "①", "bin", 1)
    others = [Problem("NOT ①", "①", "bin", 1), Problem("NOT ⓪", "①", "sy", 1)]
    assert problem.key not in {other.key for other in others}
    assert problem.key == Problem("NOT ⓪", "①", "bin", 2).key
    assert problem.key == Problem("NOT ⓪", "another answer", "bin", 1).key


def test_a_level_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="bin has no level 31; it has 1 to 30"):
        shipped().sample(level=31, count=1)
    with pytest.raises(ValueError, match="bin has no level 0"):
        shipped().sample(level=0, count=1)


@pytest.mark.parametrize(
    ("level", "sentence"),
    [
        ({"operations": ["NOT"], "width": 19}, r"levels\[0\]: width: 19 bits do not make between 1000000 and"),
        ({"operations": ["ADD"], "width": 51}, r"levels\[0\]: width: 51 bits"),
        ({"operations": ["NAND"], "width": 20}, r"operations\[0\]: 'NAND' is not allowed; allowed are NOT, AND"),
        ({"operations": ["NOT", "AND"], "width": 20}, "operations: at least one is needed, all with the same number"),
        ({"operations": [], "width": 20}, "operations: at least one is needed"),
        ({"operations": ["OR", "OR"], "width": 20}, "operations: one of them stands there twice"),
        ({"words": 2, "operations": ["ADD"], "width": 9}, "width: 9 bits do not make 1000000 different problems"),
        ({"words": 1, "operations": ["ADD"], "width": 30}, "words: 1 is not allowed; allowed are 2 to 6"),
        ({"words": 2, "operations": ["NOT"], "width": 11}, r"operations\[0\]: 'NOT' is not allowed; allowed are AND"),
        ({"words": 2, "operations": [], "width": 11}, "operations: at least one is needed"),
        ({"words": 2, "operations": ["ADD"], "width": 11, "changes": ["NOT", "NOT"]}, "changes: one of them stands"),
        ({"operations": ["NOT"], "breadth": 20}, "unknown key 'breadth'; allowed are operations, width"),
    ],
)
def test_a_bad_level_is_refused_by_key(level: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        BinaryAlchemist("bin", [level])
