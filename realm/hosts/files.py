"""The two files of hosts, one laid over the other, host by host and key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm import strict
from realm.hosts.entry import Entry
from realm.world import CHECKOUT, World
from realm.yaml_files import read_yaml

DEFAULTS_FILE = CHECKOUT / "configs" / "hosts.yaml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def hosts_file(world: World) -> Path:
    """The world's own: `hosts.yaml`, or `hosts.json` where there is that alone."""
    plain, json = world.home / "hosts.yaml", world.home / "hosts.json"
    return json if json.exists() and not plain.exists() else plain


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What the files say of one host."""

    where: str
    """It was spoken of last."""
    keys: Any


def read_layers(world: World) -> tuple[dict[str, Layer], dict[str, str]]:
    """By host, and what cannot be used of the world's file; where nothing can, the shipped hosts stay in force."""
    layers: dict[str, Layer] = {}
    broken: dict[str, str] = {}
    for name, keys in read_yaml(DEFAULTS_FILE).items():
        _lay_over(layers, name, keys, source=str(DEFAULTS_FILE))
    try:
        said = _read_file(hosts_file(world))
    except strict.BadConfig as error:
        return layers, {"": str(error)}
    for name, keys in said.items():
        try:
            _lay_over(layers, name, keys, source=str(hosts_file(world)))
        except strict.BadConfig as error:
            broken[str(name)] = str(error)
    return layers, broken


def _read_file(path: Path) -> dict[Any, Any]:
    """By id, which may be a number such as 3090; all may stand under one key `hosts`. Raises strict.BadConfig."""
    said: dict[Any, Any] = read_yaml(path)
    if list(said) == ["hosts"] and isinstance(said["hosts"], dict):
        said = said["hosts"]
    numbers = [name for name in said if type(name) is int and name >= 0]
    if twice := next((number for number in numbers if str(number) in said), None):
        raise strict.BadConfig(f"{path}: the key {str(twice)!r} stands there twice, as a number and as a text")
    return {str(name) if name in numbers else name: keys for name, keys in said.items()}


def _lay_over(layers: dict[str, Layer], name: Any, keys: Any, *, source: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise strict.BadConfig(
            f"{source}: {strict.shown(name)} is no host's name; allowed are 1 to 40 letters, digits, '-' and '_', "
            "a letter or digit first"
        )
    if keys is None:
        layers.pop(name, None)
    elif isinstance(keys, dict) and name in layers:
        layers[name] = Layer(where=f"{source}: {name}", keys=layers[name].keys | keys)
    else:
        layers[name] = Layer(where=f"{source}: {name}", keys=keys)


def entry_of(layer: Layer) -> Entry:
    """Raises strict.BadConfig."""
    keys = layer.keys
    if not isinstance(keys, dict):
        raise strict.BadConfig(
            f"{layer.where}: a mapping is expected, or null to take the host away, not {strict.shown(keys)}"
        )
    keys = keys | {"start": {}} if keys.get("start") is True else keys
    keys = {key: value for key, value in keys.items() if key != "start" or value is not False}
    models = {"models": _with_text_keys(keys["models"])} if isinstance(keys.get("models"), Mapping) else {}
    return strict.read(Entry, keys | models, source=layer.where)


def _with_text_keys(models: Mapping[Any, Any]) -> dict[str, Any]:
    """YAML reads steps as numbers; `true` stays a mistake."""
    return {str(step): model for step, model in models.items()}
