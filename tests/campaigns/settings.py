"""Promise F3: every file of the settings broken in hundreds of ways is refused in one sentence, or still understood.

A way is a whole file with one to three random changes: bytes, lines, keys and values. What is refused names file (or
variable) and place; nothing ends in any other way. Some of each kind are tried on commands, as a player would see them.
"""

from __future__ import annotations

import logging
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena import presets
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from arena.rows.formats import load_declared
from guild.skills import registry
from guild.tasks.task_settings import Rules as TaskRules
from realm import config, hosts
from realm.strict import BadConfig
from realm.world import CHECKOUT, World
from tests.campaigns.report import Figure, none_of
from vault.archivist.rules import Rules as ArchivistRules
from vault.strongholds.registry import StorageRegistry
from vault.treasury.rules import Rules as TreasuryRules

PROMISED, QUICK = 500, 60
"""Refusals of files, besides those of variables."""
MOST_TRIES = 40
"""For each refusal; many a change still makes sense."""
LONGEST_SENTENCE = 2000
COMMAND_SECONDS = 60.0

FILES = {
    "config.yaml": """port: 8888
hero: DIO
log_level: info
keep_checkpoints: 30
checkpoint_budget_gb: 20.0
preset: standard
training:
  learning_rate: 0.002
  mode: full
  epochs: 1
gatekeeper:
  depth: deep
copies:
  copies: 2
  elsewhere: 1
tasks:
  health_check:
    enabled: true
    cooldown_seconds: 600
treasury: {trash_days: 7}
serve_trainers: [bin]
""",
    "hosts.yaml": """far:
  host: 192.168.1.5
  role: inference
  services: {inference: {port: 8765}, vault: {port: 8767, path: /api}}
  timeout_seconds: 30
near:
  url: http://127.0.0.1:8000
  kind: openai
  models: {0: base-model, 100: dio-100}
  hero: DIO
""",
    "datasets.yaml": "mine:\n  user: riddle\n  assistant: solution\n  system: rules\n",
    "strongholds.yaml": """disk:
  type: local
  path: /mnt/disk
bucket:
  type: url
  url: s3://bucket/realm
  options: {endpoint_url: "http://127.0.0.1:9000"}
  secret_file: s3.yaml
  timeout_seconds: 20
""",
    "presets/mine.yaml": "# A preset.\nlearning_rate: 0.001\nschedule: cosine\nmax_length: 128\nrows_per_step: 4\n",
    "skills/sums.yaml": """title: Sums
description: Sums of two numbers.
icon: spell-book
color: "#8fd18a"
trainer: http
api_url: http://127.0.0.1:8099
levels: 3
priority: 2
rehearsal_share: 0.4
requires: {bin: 2}
""",
}
VARIABLES = {
    "REALM_PORT": ("0", "-1", "many", "65536", "8 888", "1e3", "０"), "REALM_AUTOPLAY": ("maybe", "2", "ja"),
    "REALM_BIND": ("kitchen", "1.2.3", "*"), "REALM_VAULT_PORT": ("x", "99999"), "REALM_ORACLE_PORT": ("3.5", "0"),
    "REALM_LOG_LEVEL": ("loud", "5"), "REALM_VAULT_BIND": ("localhost:1", "x"), "REALM_BASE_MODEL": ("./here", "../x"),
}  # fmt: skip
RUBBISH: tuple[str, ...] = (
    "3", "-1", "1e400", ".nan", ".inf", "null", "true", "[]", "{}", "''", '"open', "[1, 2", "*nobody", "&a [*a]",
    "!!python/name:os.system", "2026-13-40", "0x" + "f" * 400, "../../etc/passwd", "☃", "'a\\0b'", "x" * 3000,
    "[" * 300, "yes", "~", "<<: 1", "? x", "- x", "\ttab",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    file: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.file}: {self.content[:120]!r}"


@dataclass
class Found:
    refused: list[tuple[Way, str]]
    crashed: list[str]
    unclear: list[str]
    accepted: int = 0


def run(folder: Path, *, seed: int, quick: bool = False, count: int | None = None) -> list[Figure]:
    wanted = count or (QUICK if quick else PROMISED)
    found = broken_files(folder / "world", wanted, random.Random(seed))
    by_file = Counter(way.file for way, _ in found.refused)
    tried = len(found.refused) + found.accepted + len(found.crashed)
    variables, unclear = broken_variables(folder / "world")
    commands = [each for file in FILES for each in found.refused if each[0].file == file and "config" in file][:3]
    tracebacks = [str(way) for way, _ in commands if shows_traceback(folder / "commands", way)] if not quick else []
    figures = [
        Figure(promise="F3", what="files broken at random", figure=tried),
        Figure(promise="F3", what="refused", figure=len(found.refused), wanted=f"at least {wanted}",
               kept=len(found.refused) >= wanted),
        *(Figure(promise="F3", what=f"refused: {file}", figure=by_file[file], wanted="some", kept=by_file[file] > 0)
          for file in FILES),
        none_of("F3", "ended in another way than a refusal", found.crashed, tried),
        none_of("F3", "refused without file, in several lines or at length", found.unclear, len(found.refused)),
        none_of("F3", "variables that were not refused by name", unclear, variables),
    ]  # fmt: skip
    return figures if quick else [*figures, none_of("F3", "commands with a traceback", tracebacks, len(commands))]


def broken_files(home: Path, wanted: int, dice: random.Random) -> Found:
    """In turns through all files, until so many are refused."""
    world, found = World(home), Found([], [], [])
    world.create()
    with untold(registry.__name__):  # it tells of each skill that it leaves out
        for number in range(wanted * MOST_TRIES):
            if len(found.refused) >= wanted:
                break
            file = list(FILES)[number % len(FILES)]
            way = Way(file, broken(FILES[file].encode(), dice))
            path = home / file
            path.write_bytes(way.content)
            try:
                judge(way, path, found, READERS[file](world))
            except Exception as error:
                found.crashed.append(f"{way}: {type(error).__name__}: {error}"[:300])
            path.unlink()
    return found


@contextmanager
def untold(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def judge(way: Way, path: Path, found: Found, sentences: list[str]) -> None:
    if not sentences:
        found.accepted += 1
        return
    found.refused.append((way, sentences[0]))
    for sentence in sentences:
        if str(path) not in sentence or len(sentence.splitlines()) != 1 or len(sentence) > LONGEST_SENTENCE:
            found.unclear.append(f"{way}: {sentence}"[:300])


def refusals(read: Callable[[World], Any]) -> Callable[[World], list[str]]:
    def sentences(world: World) -> list[str]:
        try:
            read(world)
        except BadConfig as error:
            return [str(error)]
        return []

    return sentences


def settings_of(world: World, environment: dict[str, str] | None = None) -> Any:
    return config.load(
        world, environment or {}, recipe=Recipe, gatekeeper=GateRules, tasks=TaskRules, treasury=TreasuryRules,
        archivist=ArchivistRules,
    )  # fmt: skip


def hosts_of(world: World) -> list[str]:
    """A broken entry takes away its own host alone."""
    try:
        return list(hosts.read_hosts(world, oracle_port=8765).broken.values())
    except BadConfig as error:
        return [str(error)]


def skills_of(world: World) -> list[str]:
    """The others go on."""
    return list(registry.broken_skills(world.skills))


READERS: dict[str, Callable[[World], list[str]]] = {
    "config.yaml": refusals(settings_of),
    "hosts.yaml": hosts_of,
    "datasets.yaml": refusals(load_declared),
    "strongholds.yaml": refusals(lambda world: StorageRegistry(world.home).list()),
    "presets/mine.yaml": refusals(lambda world: presets.recipe_of(world, "mine")),
    "skills/sums.yaml": skills_of,
}


def broken(data: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 3)):
        data = dice.choice(CHANGES)(data, dice)
    return data


def _at(data: bytes, dice: random.Random) -> int:
    return dice.randrange(len(data) + 1)


def _lines(change: Callable[[list[bytes], int, random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    def changed(data: bytes, dice: random.Random) -> bytes:
        lines = data.splitlines(keepends=True) or [b"\n"]
        change(lines, dice.randrange(len(lines)), dice)
        return b"".join(lines)

    return changed


def _value(lines: list[bytes], at: int, dice: random.Random) -> None:
    key, colon, _ = lines[at].partition(b":")
    lines[at] = key + (colon or b":") + b" " + dice.choice(RUBBISH).encode() + b"\n"


def _key(lines: list[bytes], at: int, dice: random.Random) -> None:
    lines[at] = re.sub(rb"[a-z_]+", lambda found: found[0] + dice.choice((b"x", b"_", b" ", b"s")), lines[at], count=1)


def _twice(lines: list[bytes], at: int, dice: random.Random) -> None:
    lines.insert(at, lines[dice.randrange(len(lines))])


def _away(lines: list[bytes], at: int, dice: random.Random) -> None:
    del lines[at]


def _indented(lines: list[bytes], at: int, dice: random.Random) -> None:
    lines[at] = dice.choice((b" ", b"   ", b"\t", b"- ")) + lines[at]


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: _at(data, dice)]


def _byte(data: bytes, dice: random.Random) -> bytes:
    at = _at(data, dice)
    return data[:at] + bytes([dice.randrange(256)]) + data[at + dice.randint(0, 1) :]


def _text(data: bytes, dice: random.Random) -> bytes:
    at = _at(data, dice)
    return data[:at] + dice.choice(RUBBISH).encode() + data[at:]


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _lines(_value), _lines(_value), _lines(_key), _lines(_twice), _lines(_away), _lines(_indented), _cut, _byte, _text,
)  # fmt: skip


def broken_variables(home: Path) -> tuple[int, list[str]]:
    """How many were tried, and those that were not refused by their own name."""
    tried = [(variable, text) for variable, texts in VARIABLES.items() for text in texts]
    return len(tried), [f"{variable}={text}" for variable, text in tried if not _is_refused(home, variable, text)]


def _is_refused(home: Path, variable: str, text: str) -> bool:
    try:
        settings_of(World(home), {variable: text})
    except BadConfig as error:
        return str(error).startswith(f"{variable}: ")
    return False


def shows_traceback(home: Path, way: Way) -> bool:
    """Whether a command ends otherwise than with an exit code and the sentence."""
    World(home).create()
    (home / way.file).write_bytes(way.content)
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("REALM_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", "weave", "--status"], cwd=CHECKOUT, env=environment | {"REALM_HOME": str(home)},
        capture_output=True, text=True, timeout=COMMAND_SECONDS,
    )  # fmt: skip
    (home / way.file).unlink()
    return done.returncode == 0 or "Traceback" in done.stderr or way.file not in done.stderr
