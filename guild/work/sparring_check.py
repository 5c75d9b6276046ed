"""Whether a sparring's file is what it claims: groups whole, answers right, nothing held out, one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guild.errors import GuildError
from guild.evaluation.validation import held_out
from guild.skills.registry import get_skill, get_trainer
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem
from guild.work.sparring import MOST_DRAWN, sample
from guild.work.sparring_rows import (
    CORRECT,
    INCORRECT,
    KINDS,
    PLAIN,
    BadSparringRow,
    Example,
    SparringRow,
    in_groups,
    read_row,
)
from realm.quest_names import is_sparring_name
from realm.world import World

MOST_BYTES = 500 * 10**6


@dataclass(frozen=True, order=True)
class Fault:
    line: int
    """Counted from 1."""
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    rows: int
    groups: int
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        return not self.faults


def check(world: World, path: Path) -> Finding:
    """Raises GuildError for a file or a trainer that cannot be asked at all."""
    rows, faults = _read(path)
    groups = in_groups(iter(rows))
    if rows:
        faults += _binding_faults(rows)
        faults += [fault for group in groups.values() for fault in _group_faults(group)]
        faults += _answer_faults(world, rows)
    elif not faults:
        faults.append(Fault(1, "the file is empty"))
    return Finding(rows=len(rows), groups=len(groups), faults=tuple(sorted(faults)))


def find_files(world: World) -> list[Path]:
    """Sparrings' files that lie in the inbox and the queue, those that were fought included."""
    found = [path for folder in (world.inbox, world.queue) for path in folder.rglob("sparring-*.jsonl")]
    return sorted(path for path in found if is_sparring_name(path.stem))


def _read(path: Path) -> tuple[list[tuple[int, SparringRow]], list[Fault]]:
    rows: list[tuple[int, SparringRow]] = []
    faults: list[Fault] = []
    try:
        if (path.exists() and not path.is_file()) or path.stat().st_size > MOST_BYTES:
            raise GuildError(f"{path} cannot be read: a file of at most {MOST_BYTES} bytes is expected")
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    except OSError as error:
        raise GuildError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines if lines != [b""] else [], 1):
        try:
            rows.append((number, read_row(line)))
        except BadSparringRow as error:
            faults.append(Fault(number, str(error)))
    return rows, faults


def _binding_faults(rows: list[tuple[int, SparringRow]]) -> Iterator[Fault]:
    """Of a file that was put together out of several. What rehearses may be of a level below."""
    line, first = next((entry for entry in rows if entry[1].example.kind != "rehearse"), rows[0])
    for number, row in rows:
        below = row.example.kind == "rehearse" and row.level < first.level
        if (row.binding, row.skill) != (first.binding, first.skill) or not (below or row.level == first.level):
            yield Fault(number, f"it is bound to another checkpoint, draw, skill or level than line {line}")


def _group_faults(group: list[tuple[int, SparringRow]]) -> Iterator[Fault]:
    line, first = group[0]
    kinds = [row.example.kind for _, row in group]
    if sorted({*kinds, "correct-it"}) != sorted([*KINDS, PLAIN]) or len(set(kinds)) < len(kinds):
        wanted = ", ".join([*KINDS, PLAIN])
        yield Fault(
            line,
            f"group {first.example.group} has {', '.join(kinds)}; one each of {wanted} is expected, correct-it at most",
        )
        return
    examples = {row.example.kind: (number, row.example) for number, row in group}
    _, wrong = examples["identify-wrong"]
    for number, correction in (examples[kind] for kind in ("correct-it", PLAIN) if kind in examples):
        if (correction.problem, correction.proposed) != (wrong.problem, wrong.proposed):
            yield Fault(number, "it corrects another answer than the one that its group calls wrong")
    number, right = examples["confirm-right"]
    if right.problem == wrong.problem:
        yield Fault(number, "it confirms the very problem that was answered wrong; a fresh one is expected")


def _answer_faults(world: World, rows: list[tuple[int, SparringRow]]) -> Iterator[Fault]:
    """Against problems drawn anew from the trainer: what the file says is right proves nothing."""
    skill = rows[0][1].skill
    trainer = get_trainer(skill)
    known = {level: _known(trainer, level, rows) for level in {row.level for _, row in rows}}
    forbidden = held_out(world, get_skill(skill))
    judged = []
    for number, row in rows:
        problem = known[row.level].get(row.example.problem)
        if problem is None:
            yield Fault(number, f"its problem is none of those that {skill} level {row.level} draws here")
        elif problem.key in forbidden:
            yield Fault(number, "its problem is held out of all training")
        else:
            judged.append((number, row.example, problem))
    problems = [problem for _, _, problem in judged]
    proposed = trainer.judge_all(problems, [example.proposed for _, example, _ in judged])
    stated = trainer.judge_all(problems, [example.answer for _, example, _ in judged])
    for (number, example, _), is_right, answers in zip(judged, proposed, stated, strict=True):
        if reason := _why_wrong(example, is_right=is_right, answers=answers):
            yield Fault(number, reason)


def _known(trainer: Trainer, level: int, rows: list[tuple[int, SparringRow]]) -> dict[str, Problem]:
    """By prompt, of the level's problems those that the rows name. Raises GuildError."""
    binding = rows[0][1].binding
    if not 1 <= binding.drawn <= MOST_DRAWN:
        raise GuildError(f"drawn: {binding.drawn} is not allowed; allowed are 1 to {MOST_DRAWN}")
    wanted = {row.example.problem for _, row in rows if row.level == level}
    drawn = sample(trainer, level=level, drawn=binding.drawn, seed=binding.seed)
    return {problem.prompt: problem for problem in drawn if problem.prompt in wanted}


def _why_wrong(example: Example, *, is_right: bool, answers: bool) -> str:
    """`is_right`: what the row proposes; `answers`: what it teaches is the problem's answer."""
    if example.kind in ("rehearse", "correct-it", PLAIN):
        if not answers:
            return "by the trainer's judgement its answer is wrong"
        return "the answer that it corrects is right" if is_right and example.kind != "rehearse" else ""
    if is_right != (example.kind == "confirm-right"):
        return f"by the trainer's judgement the proposed answer is {'right' if is_right else 'wrong'}"
    said = CORRECT if is_right else INCORRECT
    return "" if example.answer == said else f"the answer must be {said!r}"
