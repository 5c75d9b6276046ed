"""YAML of players, read strictly: no key stands twice, and a mistake is one sentence with its line and column."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver

from realm import strict

UNREADABLE = (YAMLError, ValueError, RecursionError)
"""What parse_yaml raises."""
_SWITCHES = frozenset(form(word) for word in ("yes", "no", "on", "off") for form in (str, str.capitalize, str.upper))


class _Resolver(VersionedResolver):
    """Of YAML 1.2, where 2e-4 is a number; as in YAML 1.1, yes, no, on and off are truth values."""

    processing_version = (1, 2)
    """Whatever a file's head may say."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        switches = kind is ScalarNode and implicit[0] and value in _SWITCHES
        return super().resolve(kind, "true" if switches else value, implicit)


class _Constructor(SafeConstructor):
    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        """The library's own sentence writes both values out, however long."""
        if key in mapping or not isinstance(key_node, ScalarNode):
            fault = "stands there twice" if key in mapping else "is no text"
            raise ConstructorError(None, None, f"the key {strict.shown(key)} {fault}", key_node.start_mark)
        return True

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError) as error:  # a month 13, endless digits, `!!int` without any
            raise ConstructorError(None, None, str(error), node.start_mark) from error


def round_trip() -> YAML:
    """For changing a file: what it loads and dumps again keeps comments, order, quotes and lines."""
    found = YAML()
    found.Resolver = _Resolver
    found.preserve_quotes = True
    found.width = 10_000
    return found


def parse_yaml(text: str) -> Any:
    """Raises one of UNREADABLE."""
    reader = YAML(typ="safe", pure=True)
    reader.Resolver, reader.Constructor = _Resolver, _Constructor
    try:
        return reader.load(text)
    except ReaderError as error:
        at = error.position
        line, column = text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1
        problem, mark = f"the character {error.character:#x} is not allowed", StringMark("", at, line, column, text, at)
        raise MarkedYAMLError(problem=problem, problem_mark=mark) from error


@lru_cache(maxsize=32)
def _parsed_before(text: str) -> Any:
    """Daemons read the same few files every second, and parsing is most of what an idle realm computes."""
    return parse_yaml(text)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in `path`; empty where there is no file. Raises strict.BadConfig."""
    try:
        value = copy.deepcopy(_parsed_before(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise strict.BadConfig(f"{path}: cannot be read: {error.strerror}") from error
    except UNREADABLE as error:
        raise strict.BadConfig(f"{path}: not readable as YAML: {in_a_sentence(error)}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise strict.BadConfig(f"{path}: a mapping is expected, {type(value).__name__} found")
    return value


def in_a_sentence(error: Exception) -> str:
    """With line and column; the library says it in several lines, with a picture."""
    if isinstance(error, RecursionError):
        return "too many lists or mappings within each other"
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line}: {error}; the file must be UTF-8"
    if not isinstance(error, MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = " ".join(" ".join(filter(None, (error.context, error.problem))).split())
    tab = "; lines are indented with spaces, not tabs" if r"'\t'" in problem else ""
    return f"{where}{problem}{tab}"
