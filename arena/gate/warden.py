"""The ContentWarden: rows that can be read and trained on, and perhaps should not be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arena.gate.rules import GateRules, Treatment
from arena.rows.model import Content, Message, Refusal, Row
from realm.disk.regular_files import UnfitFile, open_regular

LEAST_LEAK_CHARACTERS = 20
"""A shorter answer may well stand in its prompt: one of the choices, a name, a number."""
LEAST_QUOTED_CHARACTERS = 12
_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


def normalised(text: str) -> str:
    """Blanks count once, and not at the ends."""
    return " ".join(text.split())


class EvaluatedProblems:
    """Questions of the evaluation and validation sets, by digest; read again when a file has changed."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._state: object = None
        self._names: dict[bytes, str] = {}
        self._quoted: re.Pattern[str] | None = None
        self._known: dict[str, str] = {}

    def refresh(self) -> None:
        files = sorted(path for folder in self._folders for path in folder.glob("*.jsonl") if path.is_file())
        state = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        if state != self._state:
            self._state = state
            asked = [(question, path.name) for path in files for question in _questions(path)]
            self._names = {_key(question): name for question, name in asked}
            self._known = {normalised(question): name for question, name in asked}
            self._quoted = None

    def set_of(self, question: str) -> str | None:
        """The file that asks this."""
        return self._names.get(_key(question))

    def set_quoted_in(self, text: str) -> str | None:
        """The file of a question that stands somewhere in `text`."""
        if self._quoted is None:
            longest_first = sorted((known for known in self._known if len(known) >= LEAST_QUOTED_CHARACTERS), key=len)
            self._quoted = re.compile("|".join(map(re.escape, reversed(longest_first))) or r"(?!)")
        found = self._quoted.search(normalised(text))
        return self._known[found[0]] if found else None


def _key(question: str) -> bytes:
    return hashlib.blake2b(normalised(question).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _questions(path: Path) -> Iterator[str]:
    """Of `{"prompt": …, "answer": …}` and of rows with messages. What is neither is not ours to judge here."""
    try:
        with open_regular(path) as file:
            lines = file.read().split(b"\n")
    except (OSError, UnfitFile):  # the daemon tells what is wrong with a file of the player's
        return
    for line in lines:
        try:
            row = json.loads(line)
            turns = [said["content"] for said in row["messages"] if said["role"] == "user"] if "messages" in row else []
            yield from (text for text in [*turns, row.get("prompt")] if isinstance(text, str) and text.strip())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue


@dataclass(frozen=True)
class Verdict:
    refusal: Refusal | None
    warnings: tuple[Refusal, ...] = ()


class ContentWarden:
    """Judges rows one by one; copies of other rows are found elsewhere."""

    def __init__(self, rules: GateRules, evaluated: EvaluatedProblems, special_tokens: Iterable[str] = ()) -> None:
        self._rules, self._evaluated = rules, evaluated
        tokens = sorted(filter(None, special_tokens), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, tokens))) if tokens else None

    def look(self, row: Row) -> Verdict:
        refusals: list[Refusal] = []
        warnings: list[Refusal] = []
        for kind, treatment, reason in self._findings(row):
            if treatment != "allow":
                (refusals if treatment == "refuse" else warnings).append(Refusal(row.line, reason, kind))
        return Verdict(refusals[0] if refusals else None, tuple(warnings))

    def _findings(self, row: Row) -> Iterator[tuple[str, Treatment, str]]:
        rules, deep = self._rules, self._rules.depth == "deep"
        source = self._evaluation_set(row.content, deep=deep) if rules.evaluated != "allow" else None
        if source:
            yield (
                "evaluated",
                rules.evaluated,
                f"its question is in {source}: trained on, it could measure nothing any more",
            )
        if rules.depth == "quick":
            return
        if rules.leaks != "allow" and is_leaked(row.content):
            yield (
                "leak",
                rules.leaks,
                "the answer stands word for word in the prompt; "
                "if that is the task, set `leaks: warn` under gatekeeper in the settings",
            )
        if not isinstance(row.content, str) and not all(said.content.strip() for said in _asked(row.content)):
            yield "empty-prompt", "warn", "a prompt is empty"
        found = self._special.search(_all_text(row.content)) if self._special else None
        if found:
            yield "special-token", "warn", f"the text holds {found[0]!r}, which the hero reads as a special token"

    def _evaluation_set(self, content: Content, *, deep: bool) -> str | None:
        asked = () if isinstance(content, str) else _asked(content)
        found = next(filter(None, (self._evaluated.set_of(said.content) for said in asked)), None)
        return found or (self._evaluated.set_quoted_in(_all_text(content)) if deep else None)


def is_leaked(content: Content) -> bool:
    """Whether the last answer, without its thoughts, stands in what was said to the hero before it."""
    if isinstance(content, str):
        return False
    last = max(index for index, said in enumerate(content) if said.role == "assistant")
    answer = normalised(_THOUGHTS.sub("", content[last].content)).casefold()
    if len(answer) < LEAST_LEAK_CHARACTERS:
        return False
    return any(answer in normalised(said.content).casefold() for said in content[:last] if said.role != "assistant")


def _asked(content: tuple[Message, ...]) -> list[Message]:
    return [said for said in content if said.role == "user"]


def _all_text(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(said.content for said in content)
