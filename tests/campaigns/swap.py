"""B5: while checkpoints are loaded and unloaded, every answer is of the model that was asked, which it names.

Models that answer differently are swapped in and out of a real host whose budget holds fewer than there are; what each
would say was written down before, by a process in which it was alone. Adapters on one base are among them.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import torch

from arena.hero import answering
from arena.oracle.catalogue import Catalogue
from arena.oracle.loading import LoadedModel, Loader
from realm.config import RealmConfig
from realm.oracle.wire import Selector
from realm.world import World
from tests.campaigns.report import Figure, none_of
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import RunningOracle

PROMISED, QUICK = 10_000, 150
STEPS = (0, 5, 10, 15, 20, 25, 30)
ADAPTERS = (15, 20, 30)
"""Of these the last sits on the full checkpoint 5."""
ROOM = 3.2
"""Whole models that the budget holds."""
NEW_TOKENS = 6
PROMPTS = tuple(f"{a}+{b}" for a in (1, 7, 20, 345) for b in (2, 22, 999))
MOST_PROMPTS = 6
ASKERS, SWAPPERS = 4, 2
_TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True)
class Known:
    """What one model is and says."""

    id: str
    step: int
    sha256: str
    says: dict[str, str]
    memory_bytes: int


@dataclass
class Tally:
    """Shared by all threads; a list's append and a counter under its lock are all that they do with it."""

    wanted: int
    until_wrong: bool = False
    """Whether the first wrong answer is enough."""
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1) -> None:
        with self.lock:
            self.counts[what] += number

    @property
    def is_over(self) -> bool:
        found = bool(self.broken or (self.until_wrong and self.wrong))
        return found or self.counts["answers"] >= self.wanted


def run(
    folder: Path, *, seed: int, quick: bool, count: int | None, until_wrong: bool = False, **variables: object
) -> list[Figure]:
    world = _stocked(folder / "world")
    known = {each.id: each for each in (_alone(world, step) for step in STEPS)}
    alike = [p for p in PROMPTS if len({each.says[p] for each in known.values()}) < len(known)]
    budget = ROOM * max(each.memory_bytes for each in known.values()) / 1e9
    (world.home / "config.yaml").write_text(f"oracle_memory_gb: {budget:.9f}\n")
    tally = Tally(count or (QUICK if quick else PROMISED), until_wrong)
    with heroes.oracle(world, **variables) as host:
        host.load(0)  # torch is imported before anybody counts
        began = time.monotonic()
        _run_threads(host, known, tally, seed)
        took = time.monotonic() - began
    counts = tally.counts
    return [
        Figure(
            promise="B5",
            what=f"{len(known)} models, {len(ADAPTERS)} of them adapters; loads and unloads meanwhile",
            figure=f"{counts['loads']} and {counts['unloads']} in {took:.0f} s",
        ),
        Figure(promise="B5", what="prompts that some of them answer alike", figure=f"{len(alike)} of {len(PROMPTS)}"),
        Figure(promise="B5", what="requests for a model that was not loaded, refused", figure=counts["refused"]),
        none_of("B5", "answers of another model, or named wrongly", tally.wrong, counts["answers"]),
        none_of("B5", "requests that failed otherwise", tally.broken, counts["requests"]),
    ]


def _stocked(home: Path) -> World:
    world = heroes.make_world(home)
    whole = {step: heroes.add_full(world, step) for step in STEPS if step and step not in ADAPTERS}
    for step in ADAPTERS:
        heroes.add_adapter(world, step, on=whole[5] if step == ADAPTERS[-1] else None)
    return world


def _alone(world: World, step: int) -> Known:
    catalogue = Catalogue(world, RealmConfig())
    loader = Loader(world, catalogue, dtype="float32", device=torch.device("cpu"))
    model: LoadedModel = loader.load(loader.plan(catalogue.find(Selector(step=step)), ()), None)
    said = [answering.answer(model.speaker, [prompt], max_new_tokens=NEW_TOKENS)[0] for prompt in PROMPTS]
    says = dict(zip(PROMPTS, said, strict=True))
    return Known(model.id, model.step, model.sha256, says, model.own_bytes + model.base.memory_bytes)


def _run_threads(host: RunningOracle, known: dict[str, Known], tally: Tally, seed: int) -> None:
    end = time.monotonic() + _TIMEOUT_SECONDS

    def until_over(act: Callable[[RunningOracle, dict[str, Known], Tally, random.Random], None], number: int) -> None:
        dice = random.Random(f"{seed} {act.__name__} {number}")
        try:
            while not tally.is_over and time.monotonic() < end:
                act(host, known, tally, dice)
        except Exception as error:  # the others must not wait for answers that nobody asks for
            tally.broken.append(f"{type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=until_over, args=(act, number))
        for act, times in ((_ask, ASKERS), (_swap, SWAPPERS))
        for number in range(times)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _swap(host: RunningOracle, known: dict[str, Known], tally: Tally, dice: random.Random) -> None:
    model = dice.choice(sorted(known))
    verb = "unload" if dice.random() < 0.3 else "load"
    reply = host.http.post(f"/models/{verb}", json={"model": model})
    if reply.status_code == 200:
        told = reply.json()
        tally.count(f"{verb}s")
        if (told["id"], told["sha256"]) != (model, known[model].sha256):
            tally.wrong.append(f"{verb} of {model} told of {told['id']}")
    elif reply.status_code not in (404, 507):
        raise RuntimeError(f"{verb} of {model}: {reply.status_code} {reply.text[:200]}")
    time.sleep(dice.random() * 0.02)


def _ask(host: RunningOracle, known: dict[str, Known], tally: Tally, dice: random.Random) -> None:
    """Whatever the model list said a moment ago: so models leave while they are asked for, and while they answer."""
    loaded = [model["id"] for model in host.http.get("/v1/models").json()["data"]] or sorted(known)
    model = known[dice.choice(loaded)]
    tally.count("requests")
    way = dice.choice((_answers, _chat, _stream))
    prompts = dice.sample(PROMPTS, dice.randint(1, MOST_PROMPTS) if way is _answers else 1)
    told = way(host.http, model.id, prompts)
    if told is None:
        tally.count("refused")
        return
    witnesses, said = told
    if witnesses != {(model.id, model.step, model.sha256)}:
        tally.wrong.append(f"{model.id} was asked, {sorted(witnesses)} answered")
    expected = [model.says[prompt] for prompt in prompts]
    if said != expected:
        tally.wrong.append(f"{model.id} said {said}, not {expected}")
    tally.count("answers", len(prompts))


Told = tuple[set[tuple[str, int, str]], list[str]]
"""Everyone who is named in the reply, and what was said."""


def _answers(http: httpx2.Client, model: str, prompts: list[str]) -> Told | None:
    body = {"model": model, "prompts": prompts, "max_new_tokens": NEW_TOKENS}
    reply = _granted(http.post("/v1/answers", json=body))
    return reply and ({(reply["model"], reply["step"], reply["sha256"])}, reply["answers"])


def _chat(http: httpx2.Client, model: str, prompts: list[str]) -> Told | None:
    reply = _granted(http.post("/v1/chat/completions", json=_asked(model, prompts[0])))
    return reply and ({_witness(reply)}, [reply["choices"][0]["message"]["content"]])


def _stream(http: httpx2.Client, model: str, prompts: list[str]) -> Told | None:
    body = _asked(model, prompts[0]) | {"stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        if reply.status_code == 404:
            return None
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line]
    if lines.pop() != "[DONE]":
        raise RuntimeError(f"a stream of {model} broke off")
    pieces = [json.loads(line) for line in lines]
    text = "".join(choice["delta"].get("content", "") for piece in pieces for choice in piece["choices"])
    return set(map(_witness, pieces)), [text]


def _asked(model: str, prompt: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "temperature": 0, "max_tokens": NEW_TOKENS}


def _granted(reply: httpx2.Response) -> Any:
    """The reply's JSON; None where the model was not loaded."""
    if reply.status_code == 404:
        return None
    if reply.status_code != 200:
        raise RuntimeError(f"{reply.status_code} {reply.text[:200]}")
    return reply.json()


def _witness(reply: dict[str, Any]) -> tuple[str, int, str]:
    return reply["model"], reply["realm"]["step"], reply["realm"]["sha256"]
