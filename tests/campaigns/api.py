"""E9: whatever is asked of the API, its document tells the answer: nothing breaks, nothing takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realm.world import CHECKOUT, World
from tests.campaigns.report import Figure, none_of
from tests.support.checkpoints import make_checkpoint
from tests.support.servers import answers, environment, free_port, manage, migrate, wait_until

CASES, FEW = 10_000, 400
SLOW_SECONDS = 2.0
SERVER_FAULT = 500
PHASES = ["examples", "coverage", "fuzzing", "stateful"]
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "use_after_free", "unsupported_method",
]  # fmt: skip
_ENDLESS = "/stream"
"""Whoever asks there hears more for as long as they listen: of a job too that waits for an arena that is not there."""
_OF_ONE_KIND = 5
"""Finds of a check that are named."""


@dataclass
class Found:
    asked: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    wanted = count or (FEW if quick else CASES)
    with served(World(folder / "world")) as address:
        return figures(ask(address, seed=seed, cases=wanted), wanted)


def figures(found: Found, wanted: int) -> list[Figure]:
    told = ", ".join(f"{phase} {number:,}" for phase, number in found.phases.items())
    return [
        Figure(promise="E9", what=f"cases asked ({told})", figure=found.asked, wanted=f">= {wanted}",
               kept=found.asked >= wanted),
        none_of("E9", "answers of 5xx", found.faults, found.asked),
        none_of("E9", "answers unlike the document", found.broken, found.asked),
        none_of("E9", "operations that could not be asked", found.errors, found.asked),
        Figure(promise="E9", what=f"answers after more than {SLOW_SECONDS:.0f} s",
               figure=f"{len(found.slow)} ({'; '.join(found.slow[:3])})", wanted="0", kept=not found.slow, timed=True),
    ]  # fmt: skip


@contextmanager
def served(world: World) -> Iterator[str]:
    """The vault's own process over a world with something of everything."""
    furnish(world)
    port = free_port()
    command = [sys.executable, "-m", "watchtower.api", "--port", str(port)]
    # Nobody serves inference there: a refusal is an answer, too.
    closed = environment(world, REALM_ORACLE_PORT=free_port())
    with open(world.logs / "vault.log", "wb") as log:
        running = subprocess.Popen(command, cwd=CHECKOUT, env=closed, stdout=log, stderr=log)
    try:
        wait_until(lambda: running.poll() is not None or answers(port))
        assert running.poll() is None, (world.logs / "vault.log").read_text()
        yield f"http://127.0.0.1:{port}"
        assert running.poll() is None, "the server has ended"
    finally:
        running.kill()
        running.wait()


def furnish(world: World) -> None:
    world.create()
    migrate(world)
    for step in range(100, 1100, 100):
        make_checkpoint(world.heroes, step, train_loss=300.0 / step)
    (world.home / "data" / "train_syllo.jsonl").write_text('{"text": "a"}\n')
    done = manage(world, "vault", "scan")
    assert done.returncode == 0, done.stderr


def ask(address: str, *, seed: int, cases: int) -> Found:
    """At least so many cases over all operations, in every phase that schemathesis has."""
    import schemathesis
    from schemathesis.engine import events, from_schema

    found = Found()
    each = 1
    while found.asked < cases:
        schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json").exclude(path_regex=_ENDLESS)
        operations = schema.statistic.operations.selected
        each = max(1, round((cases - found.asked) / operations))
        schema.config.seed = seed + found.asked
        schema.config.update(continue_on_failure=True, request_timeout=60)
        schema.config.generation.update(max_examples=each, no_shrink=True, deterministic=False)
        schema.config.phases.update(phases=PHASES if found.asked == 0 and cases > FEW else ["fuzzing"])
        schema.config.phases.stateful.generation.update(max_examples=max(2, each // 2))
        schema.config.checks.update(included_check_names=CHECKS)
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                _take(found, event)
            elif isinstance(event, events.NonFatalError | events.FatalError):
                found.errors.append(str(getattr(event, "value", None) or getattr(event, "exception", event))[:300])
    return found


def _take(found: Found, event: Any) -> None:
    recorder = event.recorder
    found.asked += len(recorder.interactions)
    found.phases[event.phase.value] += len(recorder.interactions)
    for interaction in recorder.interactions.values():
        request, response = interaction.request, interaction.response
        who = f"{request.method} {request.uri}"
        if response is None:
            found.faults.append(f"{who}: no answer")
        elif response.status_code >= SERVER_FAULT and response.status_code not in (502, 503):
            found.faults.append(f"{who}: {response.status_code}")
        if response is not None and response.elapsed > SLOW_SECONDS + _waits(request):
            found.slow.append(f"{who}: {response.elapsed:.1f} s")
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                words = f"{event.label}: {check.name}: {failure.title}: {failure.message}"
                if sum(each.startswith(f"{event.label}: {check.name}") for each in found.broken) < _OF_ONE_KIND:
                    found.broken.append(words[:600])


def _waits(request: Any) -> float:
    """So many seconds the request itself asks to be held for, until its job ends."""
    try:
        return max(0.0, float(json.loads(request.body)["wait"]))
    except (TypeError, ValueError, KeyError):
        return 0.0
