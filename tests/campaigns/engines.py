"""Many conversations at once with a llama.cpp server, each answer proven; how fast, beside the realm's own oracle.

Then its file is changed under it and put back, while it is asked: nothing that was said meanwhile counts.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import anyio
import httpx2

from arena import embedded
from arena.hero import gguf
from realm.hosts import Host
from realm.oracle.client import AsyncOracle, Ending
from realm.oracle.errors import WrongModel
from realm.oracle.wire import LoadedModel, Sampling, Turn
from realm.world import World
from tests.arena.oracle.test_llamacpp import llamacpp, only, put_in_place
from tests.campaigns.report import Figure, none_of
from tests.support import oracle_heroes as heroes
from tests.support.servers import free_port

PROMISED, QUICK = 200, 10
STEP = 5
AT_ONCE = (1, 4, 16)
TOKENS = 64
_TURNS = [Turn(role="user", content="NOT ①⓪①")]


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    asked = count or (QUICK if quick else PROMISED)
    world = World(folder / "world")
    world.create()
    embedded.ensure(world.models)
    checkpoint = heroes.add_full(world, STEP)
    file = folder / "made.gguf"
    told = gguf.export(checkpoint, file)
    figures: list[Figure] = []
    with llamacpp(file, told.id, free_port()) as engine, heroes.oracle(world) as own:
        own.load(STEP)
        local = Host(id="local", name="local", url=own.url, kind="realm")
        for host in (engine, local):
            for at_once in AT_ONCE:
                figures.append(anyio.run(_speed, host, at_once, max(1, asked // 20)))
        figures += anyio.run(_changed, engine, file, asked, seed)
        figures.append(_freed(engine))
    return figures


async def _speed(host: Host, at_once: int, rounds: int) -> Figure:
    """Tokens of all conversations a second; each is answered in full before its next question."""
    tokens: Counter[str] = Counter()
    async with AsyncOracle(host) as oracle:
        (model,) = await oracle.loaded()

        async def converse(who: int) -> None:
            for turn in range(rounds):
                sampling = Sampling(temperature=1.5, max_tokens=TOKENS, seed=100 * who + turn)
                async for piece in oracle.chat(model, _TURNS, sampling):
                    if isinstance(piece, Ending):
                        tokens["all"] += piece.answer_tokens or 0

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for who in range(at_once):
                group.start_soon(converse, who)
    speed = round(tokens["all"] / (time.monotonic() - began))
    kind = "llama.cpp" if host.kind == "llamacpp" else "own oracle"
    return Figure(promise="D3", what=f"{kind}, {at_once} at once: tokens a second", figure=speed)


async def _changed(host: Host, file: Path, asked: int, seed: int) -> list[Figure]:
    own = file.read_bytes()
    other = own[:-4] + bytes([1, 2, 3, seed % 256])
    counted, refused = [], []
    async with AsyncOracle(host) as oracle:
        (model,) = await oracle.loaded()
        for turn in range(asked):
            put_in_place(file, other)
            if await _heard(oracle, model):
                counted.append(turn)
            put_in_place(file, own)
            if not await _heard(oracle, model):
                refused.append(turn)
    return [
        none_of("D3", "answers that counted over a changed file", counted, asked),
        none_of("D3", "refusals of the proven file", refused, asked),
    ]


async def _heard(oracle: AsyncOracle, model: LoadedModel) -> bool:
    """Whether its answer counts."""
    try:
        async for _ in oracle.chat(model, _TURNS, Sampling(max_tokens=4)):
            pass
    except WrongModel:
        return False
    return True


def _freed(host: Host) -> Figure:
    assert only(host)
    slots = httpx2.get(f"{host.url}/slots").json()
    busy = [slot["id"] for slot in slots if slot["is_processing"]]
    return none_of("D3", "places that nobody asks and that are taken", busy, len(slots))
