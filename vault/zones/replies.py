"""Values out of another machine's JSON, each of the kind and size that it must be."""

from __future__ import annotations

from typing import Any

from realm import strict
from realm.moments import read_moment
from vault.assets.manifest import MOST_BYTES, MOST_FILES
from vault.errors import Unreachable


class Replies:
    """Methods raise Unreachable for a value that is none."""

    def __init__(self, said: dict[str, Any], *, who: str) -> None:
        self._said, self._who = said, who

    def text(self, key: str, longest: int) -> str:
        value = self._said.get(key)
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise self._rubbish(key, value)
        return value

    def count(self, key: str) -> int:
        value = self._said.get(key)
        if type(value) is not int or not 0 <= value <= MOST_BYTES:
            raise self._rubbish(key, value)
        return value

    def moment(self, key: str) -> str:
        value = self.text(key, 40)
        try:
            return read_moment(value).isoformat()
        except ValueError:
            raise self._rubbish(key, value) from None

    def below(self, key: str) -> Replies:
        value = self._said.get(key)
        if not isinstance(value, dict):
            raise self._rubbish(key, value)
        return Replies(value, who=self._who)

    def rows(self, key: str) -> list[Replies]:
        value = self._said.get(key)
        if not isinstance(value, list) or len(value) > MOST_FILES or not all(isinstance(each, dict) for each in value):
            raise self._rubbish(key, value)
        return [Replies(each, who=self._who) for each in value]

    def _rubbish(self, key: str, value: object) -> Unreachable:
        return Unreachable(f"{self._who} answers rubbish: {key} is {strict.shown(value)}")
