"""What a row says about itself under keys beside its texts, read alike whatever its form.

What can be honoured becomes part of the conversation. What is known and cannot be is refused, or warned of where the
rest of the row still says what it said. A key that nobody knows is noted, and named once in the quest's report.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace
from typing import Any

from arena.rows import thoughts
from arena.rows.key_names import Meaning, flag, is_given, meaning_of, verdict
from arena.rows.model import BadRow, Content, Kind, Message, Notes
from arena.rows.texts import kind_of, parts, text
from arena.rows.turns import conversation

NOT_HONOURED = "not-honoured"
"""Kind of the warnings of keys that change nothing here though they mean something."""
_PROMPTS = frozenset({"user", "human", "prompt", "instruction"})


@dataclass
class Beside:
    """What stands beside the texts of one row."""

    notes: Notes
    thoughts: dict[str, str] = field(default_factory=dict)
    systems: dict[str, str] = field(default_factory=dict)
    history: tuple[Message, ...] = ()
    history_key: str = ""

    def take(self, key: str, value: Any) -> None:
        """Raises BadRow, naming the key, for a row that must not be trained on as it is."""
        match meaning_of(key):
            case Meaning.LEARNED | Meaning.PASSED_OVER as meaning:
                self._take_flag(key, meaning, value)
            case Meaning.GOOD | Meaning.BAD as meaning:
                self._take_verdict(key, meaning, value)
            case Meaning.THOUGHT:
                self._take_thought(key, value)
            case Meaning.SYSTEM:
                self.systems[key] = parts(value, key)
            case Meaning.HISTORY:
                self._take_history(key, value)
            case Meaning.TOOLS:
                raise BadRow(f"{key}: rows that offer tools are not trained on yet; leave the row out", Kind.TOOL_CALL)
            case Meaning.MEDIA | Meaning.PARTIAL if flag(value) is False:
                pass
            case Meaning.MEDIA:
                raise BadRow(f"{key}: only texts can be trained on; leave the row out", Kind.UNSUPPORTED)
            case Meaning.PARTIAL:
                self._take_partial(key, value)
            case Meaning.PREFERENCE:
                self._warn_of_preference(key)
            case Meaning.FORGED:
                pass
            case _:
                self.notes.unread[key] = None

    def _take_flag(self, key: str, meaning: Meaning, value: Any) -> None:
        said = flag(value)
        names_prompts = meaning == Meaning.PASSED_OVER and isinstance(value, str) and value.casefold() in _PROMPTS
        if said is not None and said != (meaning == Meaning.LEARNED):
            raise BadRow(
                f"{key}: {value!r} says that nothing of this row is to be learned; leave it out", Kind.NO_ANSWER
            )
        if isinstance(value, list | dict) or (said is None and isinstance(value, int | float) and value < 0):
            raise BadRow(f"{key}: {_shown(value)} is not allowed; allowed are 0 and 1", Kind.UNSUPPORTED)
        if said is None and not names_prompts:
            self.notes.warn(NOT_HONOURED, f"{key}: {value!r} changes nothing; each row counts alike")

    def _take_verdict(self, key: str, meaning: Meaning, value: Any) -> None:
        good = verdict(key, meaning, value)
        if good is False:
            raise BadRow(f"{key}: {value!r} marks an answer to be avoided; leave the row out", Kind.UNSUPPORTED)
        if good is None and key.casefold() in ("chosen", "rejected"):
            self._warn_of_preference(key)
        elif good is None:
            self.notes.unread[key] = None

    def _warn_of_preference(self, key: str) -> None:
        self.notes.warn("preference", f"{key}: this other answer is not learned from; only the row's own is")

    def _take_thought(self, key: str, value: Any) -> None:
        if thought := thoughts.spoken(value, key):
            self.thoughts[key] = thought
        else:
            self.notes.unread[key] = None

    def _take_partial(self, key: str, value: Any) -> None:
        if isinstance(value, list | dict):
            raise BadRow(f"{key}: {_shown(value)} cannot be honoured; set weight 0 or 1 on each turn", Kind.UNSUPPORTED)
        self.notes.warn(NOT_HONOURED, f"{key}: changes nothing; every answer is trained on, whole and alone")

    def _take_history(self, key: str, value: Any) -> None:
        if self.history:
            raise BadRow(f"{self.history_key} and {key}: two histories; keep one", Kind.UNSUPPORTED)
        self.history, self.history_key = _earlier_turns(key, value, self.notes), key

    def applied(self, content: Content) -> Content:
        """The content with all that can be honoured. Raises BadRow where two things contradict each other."""
        if isinstance(content, str):
            self._warn_beside_text(content)
            return content
        first = 1 if content[0].role == "system" else 0
        return self._with_system((*content[:first], *self.history, *self._with_thought(content[first:])))

    def _with_thought(self, content: tuple[Message, ...]) -> tuple[Message, ...]:
        thought, keys = thoughts.one_of(self.thoughts), " and ".join(self.thoughts)
        learned = [index for index, said in enumerate(content) if said.role == "assistant" and not said.given]
        if not thought or not learned:
            return content
        if len(learned) > 1:
            self.notes.warn(NOT_HONOURED, f"{keys}: of which answer this is the thought is not said; it is left out")
            return content
        said = content[learned[0]]
        whole = replace(said, content=thoughts.with_thought(said.content, thought, keys))
        return (*content[: learned[0]], whole, *content[learned[0] + 1 :])

    def _with_system(self, content: tuple[Message, ...]) -> tuple[Message, ...]:
        """A system text that stands beside the conversation is its first message."""
        given = {said: key for key, said in self.systems.items()}
        if content[0].role == "system":
            given.pop(content[0].content, None)
        if not given:
            return content
        if content[0].role == "system":
            where = ", ".join(given.values())
            raise BadRow(f"{where}: a system text stands beside the conversation and another one in it; keep one")
        if len(given) > 1:
            raise BadRow(f"{' and '.join(given.values())}: two different system texts; keep one")
        return Message("system", next(iter(given))), *content

    def _warn_beside_text(self, content: str) -> None:
        """Text data sets often keep the parts of a text once more under keys of their own."""
        held = [*self.thoughts.items(), *self.systems.items()]
        held += [(self.history_key, said.content) for said in self.history]
        for key in dict.fromkeys(key for key, said in held if said.strip() not in content):
            self.notes.warn(NOT_HONOURED, f"{key}: stands beside a plain text and is not trained on")


def honoured(content: Content, value: dict[str, Any], own: Set[str], notes: Notes) -> Content:
    """The content with what stands in its row under other keys than the form's `own`. Raises BadRow naming the key."""
    if value.keys() <= own:
        return content
    found = Beside(notes)
    for key, item in value.items():
        if key not in own and is_given(item):
            if meaning_of(key) is None:
                notes.unread[key] = None
            else:
                found.take(key, item)
    return found.applied(content)


def _earlier_turns(key: str, value: Any, notes: Notes) -> tuple[Message, ...]:
    """Pairs of a question and its answer, or messages. Raises BadRow for another shape."""
    if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        pairs = [(text(asked, f"{key}[{number}]"), text(said, f"{key}[{number}]"))
                 for number, (asked, said) in enumerate(value)]  # fmt: skip
        return tuple(turn for asked, said in pairs for turn in (Message("user", asked), Message("assistant", said)))
    if isinstance(value, list) and all(isinstance(turn, dict) for turn in value):
        return conversation(value, key, notes)
    raise BadRow(
        f"{key}: earlier turns are pairs of question and answer, or messages, not {kind_of(value)}", Kind.UNSUPPORTED
    )


def _shown(value: Any) -> str:
    return kind_of(value) if isinstance(value, list | dict) else repr(value)
