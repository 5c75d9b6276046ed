"""Changes single keys of the world's `config.yaml`; every other key and every comment stays as the player wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from realm.config import config_file, parse_yaml, read_yaml
from realm.disk import durable, locks
from realm.strict import BadConfig
from realm.world import World

LOCK_FILE = "config.lock"
Path = tuple[str, ...]
"""Of keys: `("tasks", "health_check", "enabled")`."""


def change(world: World, changes: Mapping[Path, Any], *, check: Callable[[dict[str, Any]], object]) -> None:
    """Put values under their keys. `check` gets the settings that the file will hold and raises what it has against
    them; then nothing is written. Raises strict.BadConfig for a file that cannot be read.
    """
    with locks.held(world.control / LOCK_FILE):  # of two who change it at the same time neither loses what it wrote
        path = config_file(world)
        wanted = read_yaml(path)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for keys, value in changes.items():
            wanted = _merged(wanted, keys, value, source=str(path))
            text = _with_value(text, keys, value)
            if not _says(text, wanted):  # written in a form that nothing can be put into
                text = _dump(wanted)
        check(wanted)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        durable.write_bytes(path, text.encode(), mode=mode)


def _merged(settings: dict[str, Any], keys: Path, value: Any, *, source: str) -> dict[str, Any]:
    if len(keys) == 1:
        return settings | {keys[0]: value}
    below = settings.get(keys[0])
    if not isinstance(below, dict | None):
        raise BadConfig(f"{source}: {keys[0]}: a mapping is expected")
    return settings | {keys[0]: _merged(below or {}, keys[1:], value, source=source)}


def _with_value(text: str, keys: Path, value: Any) -> str:
    """By the places at which YAML itself says that keys and values stand."""
    node = yaml.compose(text, yaml.SafeLoader) if text.strip() else None
    if not isinstance(node, yaml.MappingNode):
        return _ending_a_line(text) + _dump(_nested(keys, value))
    for depth, key in enumerate(keys):
        below = _below(node, key)
        if below is None:
            return _added(text, node, keys[depth:], value, top=depth == 0)
        if depth == len(keys) - 1 or not isinstance(below, yaml.MappingNode):
            return _replaced(text, below, _nested(keys[depth + 1 :], value))
        node = below
    return text


def _below(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if isinstance(name, yaml.ScalarNode) and name.value == key), None)


def _added(text: str, node: yaml.MappingNode, keys: Path, value: Any, *, top: bool) -> str:
    if top and not node.flow_style:
        return _ending_a_line(text) + _dump(_nested(keys, value))
    line = f"{keys[0]}: {_flow(_nested(keys[1:], value))}"
    first = node.value[0][0].start_mark if node.value else None
    if node.flow_style:
        at = node.start_mark.index + 1
        return f"{text[:at]}{line}{', ' if first else ''}{text[at:]}"
    assert first is not None  # a mapping in block style has a key
    return f"{text[: first.index]}{line}\n{' ' * first.column}{text[first.index :]}"


def _replaced(text: str, node: yaml.Node, value: Any) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        # It ends where the next key begins; comments and empty lines before that are the next key's.
        end = start + len(text[start:end].rstrip())
    gap = " " if start and text[start - 1] == ":" else ""
    return f"{text[:start]}{gap}{_flow(value)}{text[end:]}"


def _nested(keys: Path, value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _ending_a_line(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def _says(text: str, settings: Mapping[str, Any]) -> bool:
    try:
        return bool((parse_yaml(text) or {}) == settings)
    except (yaml.YAMLError, ValueError):
        return False
