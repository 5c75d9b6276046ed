"""Settings broken in more than 500 ways: each is refused in one line that names file, key and what is allowed."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml

from arena.gate.rules import GateRules
from arena.recipe import Recipe
from arena.rows.formats import Declared, load_declared
from realm import config, strict, yaml_files
from realm.config import CopiesRules, RealmConfig, load
from realm.strict import BadConfig
from realm.world import World
from sentinels.notices.rules import Rules as NoticeRules
from vault.archivist.rules import Rules as ArchivistRules
from vault.treasury.rules import Rules as TreasuryRules

SEED = 5
NESTED = ("training", "gatekeeper")
READ_AS: dict[str, Any] = {
    "recipe": Recipe, "gatekeeper": GateRules, "treasury": TreasuryRules, "archivist": ArchivistRules,
    "notices": NoticeRules,
}  # fmt: skip
ALLOWED = ("allowed", "expected", "must be", "did you mean")
"""Words by which a sentence says what may stand there."""


@dataclass(frozen=True)
class Way:
    file: Literal["realm.yaml", "config.yaml", "datasets.yaml"]
    key: str
    """What the sentence must name, or a line."""
    text: str
    allowed: tuple[str, ...] = ALLOWED

    def __str__(self) -> str:
        return f"{self.file}: {self.text[:80]!r}"


WRONG: dict[Any, tuple[Any, ...]] = {
    bool: (1, "maybe", 1.5, [], {}),
    int: ("many", 1.5, True, [], {}, float("inf"), 16**5000),
    float: ("lots", True, [], {}, float("nan"), 10**500),
    str: (3, True, 2.5, [], {}),
    dict: (3, "all", [1], True),
    tuple: ("q_proj", 3, [1.5], [None]),
    CopiesRules: (3, "all", [1], True),
}
OUT_OF_RANGE: dict[str, tuple[Any, ...]] = {
    "port": (0, -1, 65536), "vault_port": (0, 70_000), "oracle_port": (0, 70_000), "zone_port": (0, 70_000),
    "public_origins": (["x.example"], ["https://*.example"], ["http://a/"]), "bind": ("kitchen", "1.2.3", ""),
    "hero": ("", "../EVA", "D O", "7"), "keep_checkpoints": (1, -5),
    "web_ports": ([0], [8888], [8898, 8898], [8765]),
    "database_url": ("realm", "mysql://h/x", "postgresql://h"), "redis_url": ("localhost:6379", "redis://"),
    "node_link_gbit": ("fast", 0, -1),
    "node_address": ("gpubox:29400", "10.0.0.1", "0.0.0.0:29400", "8.8.8.8:29400", "10.0.0.1:0"),
    "vault_bind": ("", "kitchen", "1.2.3"), "oracle_bind": ("", "cellar", "1.2.3.4:80"),
    "trusted_proxies": (["nginx"], ["10.0.0.1/24"], ["0.0.0.0/0"], ["::/0"], [""]),
    "allowed_origins": (["*"], ["null"], ["https://a.example/"], ["a.example"], ["https://a.example:443"], ["file://"]),
    "keep_forged_quests": (-1,), "checkpoint_budget_gb": (0, -1, float("inf")),
    "oracle_memory_gb": (0, -1, float("inf")), "price_per_kwh": (-0.1, float("inf")),
    "preset": ("standrad", "../x", ""),
    "most_bad_share": (-0.1, 1.1, 10), "largest_gb": (0, -1, 1e9), "largest_ratio": (1, 0, 10**6),
    "quarantine_mb": (-1, 10**6), "max_length": (0, -4), "rows_per_step": (0,), "rows_per_micro_batch": (0,),
    "epochs": (0, -1), "learning_rate": (-1.0,), "beta1": (1.0, -0.1), "beta2": (1.0,), "lora_dropout": (1.0, -1),
    "save_every": (0,), "threads": (-1,), "seed": (-1,),
}  # fmt: skip
SYNTAX = (
    "{key}: 1\n\tindented: by a tab", "{key}: [1, 2", "{key}: {{a: 1", "{key}: 'open", '{key}: "open', "{key}: a: b",
    "{key}: 1\n{key}: 2", "{key}: *nobody", "{key}: !!python/object:os.system x", "{key}: 2026-13-40", "{key}: \x07",
    "- {key}\n{key}: 1", "{key}: @x", "{key}: `x`", "? [{key}]\n: 1", "%{key}", "{key}: 1\n  {key}: 2", "{key}: 1\n}}",
)  # fmt: skip


def ways() -> list[Way]:
    dice = random.Random(SEED)
    found = [*_of_keys(RealmConfig, "realm.yaml", dice), *_of_keys(RealmConfig, "config.yaml", dice)]
    found += _of_keys(Recipe, "config.yaml", dice, under="training")
    found += _of_keys(GateRules, "config.yaml", dice, under="gatekeeper")
    found += _of_keys(CopiesRules, "config.yaml", dice, under="copies")
    found += _of_keys(TreasuryRules, "config.yaml", dice, under="treasury")
    found += _of_keys(ArchivistRules, "config.yaml", dice, under="archivist")
    found += [*_of_forms(dice), *_of_syntax()]
    return found


def _of_keys(cls: type, file: Any, dice: random.Random, *, under: str = "") -> Iterator[Way]:
    for name, hint in get_type_hints(cls).items():
        for value in (*_wrong_for(hint), *OUT_OF_RANGE.get(name, ())):
            yield Way(file, name, _written(under, name, value))
        for wrong in {_misspelled(name, dice) for _ in range(3)}:
            yield Way(file, wrong, _written(under, wrong, 1), allowed=("did you mean",))
    yield Way(file, "wholly_unknown_thing", _written(under, "wholly_unknown_thing", 1), allowed=("allowed are",))


def _wrong_for(hint: Any) -> tuple[Any, ...]:
    given = [each for each in get_args(hint) if each is not type(None)]
    optional = type(None) in get_args(hint)
    if get_origin(hint) is Literal:
        return ("nonsense", 3, True, None, [], {})
    if optional:
        return WRONG[given[0]]
    return (*WRONG[get_origin(hint) or hint], None)


def _written(under: str, name: str, value: Any) -> str:
    settings = {under: {name: value}} if under else {name: value}
    if isinstance(value, int) and value > 10**300:  # Python writes no number of so many digits
        return yaml.safe_dump({under: {name: 0}} if under else {name: 0}).replace("0", hex(value), 1)
    return yaml.safe_dump(settings, allow_unicode=True)


def _misspelled(name: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(name) - 1)
    swapped = name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    return dice.choice(
        [
            name[:at] + name[at + 1 :] + ("x" if name[at : at + 2] == "" else ""),
            name[:at] + name[at] * 2 + name[at + 1 :] + "s",
            swapped if swapped != name else f"{name}s",
            name.capitalize(),
        ]
    )


def _of_forms(dice: random.Random) -> Iterator[Way]:
    good = {"user": "riddle", "assistant": "solution"}
    for field in dataclasses.fields(Declared):
        for value in (3, True, [], {}, 2.5, ""):
            yield Way("datasets.yaml", "mine", yaml.safe_dump({"mine": good | {field.name: value}}))
        for wrong in {_misspelled(field.name, dice) for _ in range(3)}:
            yield Way("datasets.yaml", wrong, yaml.safe_dump({"mine": good | {wrong: "x"}}), allowed=("did you mean",))
        if field.name not in ("messages", "text"):
            yield Way("datasets.yaml", "mine", yaml.safe_dump({"mine": {field.name: "x"}}))
    for name in ("Mine", "3", "a_b", "-a", "a--b", "x" * 41, "", "größe"):
        yield Way("datasets.yaml", name[:9], yaml.safe_dump({name: good}, allow_unicode=True))
    for entry in (3, "user", [good], True, None, {}, {"user": "q", "assistant": "q"}, {"text": "t", "messages": "m"}):
        yield Way("datasets.yaml", "mine", yaml.safe_dump({"mine": entry}), allowed=(*ALLOWED, "same key"))
    for entry in ({"user": "prompt", "assistant": "completion"}, {"text": "text"}, {"messages": "conversations"}):
        yield Way("datasets.yaml", "mine", yaml.safe_dump({"mine": entry}), allowed=("leave it out",))
    for name in ("messages", "alpaca", "sharegpt", "text", "prompt-completion"):
        yield Way("datasets.yaml", name, yaml.safe_dump({name: good}), allowed=("another name",))


def _of_syntax() -> Iterator[Way]:
    said = (*ALLOWED, "not readable as YAML", "twice")
    files = {"realm.yaml": "port", "config.yaml": "gatekeeper", "datasets.yaml": "mine"}
    for file, key in files.items():
        for text in SYNTAX:
            yield Way(file, "line ", text.format(key=key), allowed=said)  # type: ignore[arg-type]
        yield Way(file, "list", f"- {key}", allowed=said)  # type: ignore[arg-type]
        yield Way(file, "str", key, allowed=said)  # type: ignore[arg-type]


def faults(folder: Path, defaults: Path, broken: Iterable[Way]) -> list[str]:
    """Those not refused as they should be; `defaults` is what is read as the checkout's realm.yaml."""
    world = World(folder)

    def read(file: str) -> object:
        declares = file == "datasets.yaml"
        return load_declared(world) if declares else load(world, {}, **READ_AS)

    whole = defaults.read_text()
    places = {"realm.yaml": defaults, "config.yaml": folder / "config.yaml", "datasets.yaml": folder / "datasets.yaml"}
    found = []
    for way in broken:
        places[way.file].write_text(way.text, encoding="utf-8")
        said = _refusal(partial(read, way.file))
        if fault := _fault(way, said, places[way.file]):
            found.append(f"{way}: {fault}: {said}")
        defaults.write_text(whole)
        for name in ("config.yaml", "datasets.yaml"):
            places[name].unlink(missing_ok=True)
    return found


def _refusal(read: Callable[[], object]) -> str | None:
    try:
        read()
    except BadConfig as error:
        return str(error)
    return None


def _fault(way: Way, said: str | None, file: Path) -> str:
    if said is None:
        return "not refused"
    checks = {
        "several lines": len(said.splitlines()) == 1,
        "too long": len(said) < 1200,
        "the file is not named": said.startswith(f"{file}: "),
        "the key is not named": way.key in said,
        "what is allowed is not named": any(word in said for word in way.allowed),
    }
    return ", ".join(fault for fault, holds in checks.items() if not holds)


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "realm.yaml"
    path.write_text("hero: DIO\n")
    monkeypatch.setattr(config, "DEFAULTS_FILE", path)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "world"
    World(folder).create()
    return folder


def test_there_are_more_than_500_ways_in_each_file() -> None:
    counted = Counter(way.file for way in set(ways()))
    assert counted.total() >= 500
    assert min(counted["realm.yaml"], counted["config.yaml"], counted["datasets.yaml"]) >= 60


def test_each_is_refused_in_one_line_with_file_key_and_what_is_allowed(home: Path, defaults: Path) -> None:
    assert faults(home, defaults, ways()) == []


def test_whole_settings_are_not_refused(home: Path, defaults: Path) -> None:
    """The twin of the ways: it is they that are refused."""
    (home / "config.yaml").write_text("gatekeeper: {depth: deep}\ntraining: {epochs: 2}\n")
    (home / "datasets.yaml").write_text("mine: {user: riddle, assistant: solution}\n")
    assert load(World(home), {}, recipe=Recipe, gatekeeper=GateRules).gatekeeper == {"depth": "deep"}
    assert "mine" in load_declared(World(home))


def test_without_the_sentence_of_a_yaml_error_several_lines_are_found(
    home: Path, defaults: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_files, "in_a_sentence", str)
    assert any("several lines" in fault for fault in faults(home, defaults, _of_syntax()))


def test_without_the_check_of_keys_misspelled_ones_are_found(
    home: Path, defaults: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = strict.read

    def forgiving(cls: type, mapping: Any, *, source: str) -> Any:
        known = {field.name for field in dataclasses.fields(cls)}
        return read(cls, {key: value for key, value in mapping.items() if key in known}, source=source)

    monkeypatch.setattr(strict, "read", forgiving)
    misspelled = list(_of_keys(GateRules, "config.yaml", random.Random(SEED), under="gatekeeper"))
    assert any("not refused" in fault for fault in faults(home, defaults, misspelled))


def test_aliases_within_aliases_do_not_fill_the_memory(home: Path, defaults: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 9)]
    (home / "config.yaml").write_text("\n".join(["training:", *(f"  {level}" for level in levels), "port: *a8"]))
    with pytest.raises(BadConfig) as refused:
        load(World(home), {})
    assert len(str(refused.value)) < 1200
