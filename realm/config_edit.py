"""Changes single keys of a settings file, the world's `config.yaml`; every other key and every comment stays."""

from __future__ import annotations

import difflib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from realm.config import config_file
from realm.disk import durable, locks
from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import UNREADABLE, parse_yaml, read_yaml, round_trip

LOCK_FILE = "config.lock"
Path = tuple[str, ...]
"""Of keys: `("tasks", "health_check", "enabled")`."""
ABSENT = object()
"""As a new value: the key is taken out, if it stands there."""


def change(
    world: World,
    changes: Mapping[Path, Any],
    *,
    check: Callable[[dict[str, Any]], object],
    path: FilePath | None = None,
) -> None:
    """Put values under their keys, or take ABSENT ones out, in `path` or else the world's `config.yaml`.

    `check` gets the settings that the file will hold and raises what it has against them; then nothing is written.
    Raises strict.BadConfig for a file that cannot be read, or not changed so.
    """
    with locks.held(world.control / LOCK_FILE):  # of two who change it at the same time neither loses what it wrote
        path = path or config_file(world)
        wanted = read_yaml(path)
        changes = {keys: value for keys, value in changes.items() if value is not ABSENT or _stands(wanted, keys)}
        for keys, value in changes.items():
            wanted = merged(wanted, keys, value, source=str(path))
        check(wanted)
        if not changes:
            return
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        edited = next((found for found in _edited(text, changes) if _is_whole(found, text, wanted)), None)
        if edited is None:
            names = ", ".join(".".join(keys) for keys in changes)
            raise BadConfig(f"{path}: {names} cannot be changed in the form that the file has; change it there by hand")
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        durable.write_bytes(path, edited.encode(), mode=mode)


def _stands(settings: Any, keys: Path) -> bool:
    for key in keys:
        if not isinstance(settings, dict) or key not in settings:
            return False
        settings = settings[key]
    return True


def merged(settings: dict[str, Any], keys: Path, value: Any, *, source: str) -> dict[str, Any]:
    """What `settings` of the file `source` will be. Raises strict.BadConfig."""
    if len(keys) == 1 and value is ABSENT:
        return {name: kept for name, kept in settings.items() if name != keys[0]}
    if len(keys) == 1:
        return settings | {keys[0]: value}
    below = settings.get(keys[0])
    if not isinstance(below, dict | None):
        raise BadConfig(f"{source}: {keys[0]}: a mapping is expected")
    return settings | {keys[0]: merged(below or {}, keys[1:], value, source=source)}


def _edited(text: str, changes: Mapping[Path, Any]) -> Iterator[str]:
    """The changed text in the player's own spelling, then as YAML is commonly spelt."""
    editor = round_trip()
    if indented := re.search(r"^( +)[^\s#-]", text, flags=re.MULTILINE):
        editor.map_indent = len(indented[1])
    tree = editor.load(text)
    if tree is None:  # at most comments, of which an empty document keeps none
        fresh = CommentedMap()
        _put_all(fresh, changes)
        yield f"{text}\n{_dump(editor, fresh)}".lstrip("\n")
        return
    before = _dump(editor, tree)
    found = (_line_of(tree, keys) for keys, value in changes.items() if value is ABSENT)
    lines = [number for number in found if number is not None]
    _put_all(tree, changes)
    after = _dump(editor, tree)
    yield _respelt(after, before=before, text=text)
    yield after
    yield _without(text, lines)


def _line_of(tree: CommentedMap, keys: Path) -> int | None:
    """Number of the line where a key stands; None for one that is merged in."""
    for key in keys[:-1]:
        tree = tree[key]
    at = (tree.lc.data or {}).get(keys[-1])
    return int(at[0]) if at else None


def _without(text: str, numbers: list[int]) -> str:
    """Without these lines but for what is remarked behind them, which a round trip would lose with its key."""
    lines = text.splitlines(keepends=True)
    for number in numbers:
        lines[number] = "".join(re.findall(r"\s(#.*\s*)$", lines[number]))
    return "".join(lines)


def _put_all(tree: CommentedMap, changes: Mapping[Path, Any]) -> None:
    for keys, value in changes.items():
        new = _with_value(tree.get(keys[0]), keys[1:], value)
        if new is ABSENT:
            tree.pop(keys[0], None)
        else:
            tree[keys[0]] = new


def _with_value(tree: CommentedMap | None, keys: Path, value: Any) -> Any:
    if not keys:
        return value
    if tree is None or tree.anchor.value is not None:  # the one who shares it by an alias keeps it as it is
        tree = CommentedMap(tree or {})
    inner = _with_value(tree.get(keys[0]), keys[1:], value)
    if inner is ABSENT:
        tree.pop(keys[0], None)
    elif keys[0] in tree:
        tree[keys[0]] = inner
    else:  # first, since behind the last key stand the comments of what follows
        tree.insert(0, keys[0], inner)
    return tree


def _dump(editor: YAML, tree: CommentedMap) -> str:
    stream = io.StringIO()
    editor.dump(tree, stream)
    return stream.getvalue()


def _respelt(after: str, *, before: str, text: str) -> str:
    """`after` with the player's own line wherever it has the one of `before`, which is `text` as it is dumped."""
    own, old, new = (lines.splitlines(keepends=True) for lines in (text, before, after))
    if len(own) != len(old):
        return after
    same = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    parts = (own[a:b] if tag == "equal" else new[c:d] for tag, a, b, c, d in same)
    return "".join(line for part in parts for line in part)


def _is_whole(edited: str, text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether it says what is wanted, and no comment is lost."""
    try:
        return bool(parse_yaml(edited) == wanted) and Counter(_comments(text)) <= Counter(_comments(edited))
    except UNREADABLE:
        return False


def _comments(text: str) -> list[str]:
    return re.findall(r"(?:^|\s)(#.*)", text, flags=re.MULTILINE)
