import pytest

from guild.problems import Problem
from guild.seeds import derive
from guild.skills import get_skill, get_trainer
from guild.trainers.binary import FEWEST_PROBLEMS, BinaryAlchemist, circled
from realm.strict import BadConfig

LEVELS = range(1, get_skill("bin").max_level + 1)


def shipped() -> BinaryAlchemist:
    trainer = get_trainer("bin")
    assert isinstance(trainer, BinaryAlchemist)
    return trainer


def number(bits: str) -> int:
    return int(bits.replace("⓪", "0").replace("①", "1"), 2)


def expected(prompt: str) -> str:
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
    some = range(0, size, max(1, size // 20_000) | 1)
    prompts = {trainer.problem(level, number).prompt for number in some}
    assert len(prompts) == len(some)


def test_a_sample_holds_no_problem_twice() -> None:
    problems = shipped().sample(level=1, count=20_000, seed=3)
    assert len({problem.key for problem in problems}) == 20_000


def test_the_same_seed_gives_the_same_problems_on_every_machine() -> None:
    trainer = shipped()
    assert trainer.sample(level=2, count=50, seed=9) == trainer.sample(level=2, count=50, seed=9)
    assert trainer.sample(level=2, count=50, seed=9) != trainer.sample(level=2, count=50, seed=10)
    # Written down once; a change here changes everybody's evaluation sets.
    assert trainer.sample(level=1, count=1, seed=1)[0].prompt == "NOT ⓪①①⓪⓪⓪①⓪⓪⓪①①⓪⓪⓪⓪⓪⓪⓪⓪"
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
    with pytest.raises(ValueError, match="bin has no level 4; it has 1 to 3"):
        shipped().sample(level=4, count=1)
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
        ({"operations": ["NOT"], "breadth": 20}, "unknown key 'breadth'; allowed are operations, width"),
    ],
)
def test_a_bad_level_is_refused_by_key(level: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        BinaryAlchemist("bin", [level])
