"""A real llama.cpp server is asked for a checkpoint: it proves whose weights answer, or it is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from arena.hero import gguf
from guild.engines import commands
from realm import hosts
from realm.checkpoints import derived, sidecar
from realm.disk import durable
from realm.hosts import Host, Start
from realm.oracle import engines
from realm.oracle.client import AsyncOracle, Ending
from realm.oracle.sync_client import OracleClient, WrongModel
from realm.oracle.wire import LoadedModel, Sampling, Turn
from realm.world import CHECKOUT, World
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import PROMPTS, RunningOracle
from tests.support.servers import free_port, wait_until

pytestmark = pytest.mark.slow

STEP = 5
NAME = heroes.folder_name(STEP)
ID = f"DIO/{NAME}"


@dataclass(frozen=True)
class Engine:
    host: Host
    file: Path


@contextmanager
def llamacpp(file: Path, model: str, port: int) -> Iterator[Host]:
    """llama.cpp's server; it ends with this process, whose pipe it holds."""
    host = Host(id="llama", name="llama", url=f"http://127.0.0.1:{port}", kind="llamacpp", timeout_seconds=60)
    words = commands.llamacpp(Start(parallel=3, threads=1), model, file, port)
    command = [sys.executable, "-m", "guild.engines.llamacpp", *words]
    server = subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: server.poll() is not None or _is_up(host))
        assert server.poll() is None
        yield host
    finally:
        server.kill()
        server.communicate()


def _is_up(host: Host) -> bool:
    try:
        return httpx2.get(f"{host.url}/health").status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(scope="module")
def engine(stocked: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file = tmp_path_factory.mktemp("derived") / f"DIO--{NAME}.f32.gguf"
    gguf.export(stocked.heroes / "DIO" / NAME, file)
    with llamacpp(file, ID, free_port()) as host:
        yield Engine(host, file)


def hear(host: Host, model: LoadedModel, prompt: str, meanwhile: Any = None, **sampling: Any) -> str:
    async def listen() -> str:
        said = []
        async with AsyncOracle(host) as oracle:
            async for piece in oracle.chat(model, [Turn(role="user", content=prompt)], Sampling(**sampling)):
                said.append("" if isinstance(piece, Ending) else piece)
                if meanwhile and len(said) == 1:
                    meanwhile()
        return "".join(said)

    return anyio.run(listen)


def only(host: Host) -> LoadedModel:
    with OracleClient(host) as oracle:
        (model,) = oracle.loaded()
    return model


def test_it_names_the_weights_that_the_checkpoints_sidecar_proves(engine: Engine, stocked: World) -> None:
    model = only(engine.host)
    saved = sidecar.read(stocked.heroes / "DIO" / NAME)
    assert (model.id, model.step, model.sha256) == (ID, STEP, sidecar.answering_digest(saved))
    assert model.model_path == str(engine.file)


def test_its_greedy_answers_are_those_of_the_realms_own_oracle(engine: Engine, running: RunningOracle) -> None:
    running.load(STEP)
    with OracleClient(engine.host) as oracle:
        said = oracle.answer(only(engine.host), PROMPTS, max_new_tokens=16)
    assert said == running.answers(ID, max_new_tokens=16)["answers"]


async def streamed(asked: dict[str, Any]) -> list[Any]:
    reply: Any = await AsyncClient().post("/oracle/chat", json.dumps(asked), "application/json")
    return [json.loads(line) async for line in reply.streaming_content]


@pytest.mark.django_db(transaction=True)
def test_the_oracles_address_answers_with_the_proof_or_refuses(engine: Engine, world: World) -> None:
    hosts.hosts_file(world).write_text(f"llama: {{kind: llamacpp, url: '{engine.host.url}'}}\n", encoding="utf-8")
    asked = {"message": "1+1", "host": "llama", "step": STEP, "temperature": 0, "max_tokens": 8}

    def post(**keys: Any) -> Any:
        return Client().post("/oracle/chat", json.dumps(asked | keys), "application/json")

    told = post().json()
    assert (told["model"], told["model_path"]) == (ID, str(engine.file))
    assert told["sha256"] == derived.read(engine.file).sha256
    assert told["tokens"]
    lines = async_to_sync(streamed)(asked | {"stream": True})
    assert lines[-1]["response"] == told["response"]
    assert len(lines) > 3
    assert post(step=10).status_code == 404
    state = Client().get("/oracle/status").json()["hosts"]["llama"]
    assert (state["alive"], [one["sha256"] for one in state["loaded_models"]]) == (True, [told["sha256"]])


def put_in_place(file: Path, content: bytes) -> None:
    """By a rename: the engine may have mapped what lies there."""
    durable.write_bytes(file, content, sync=False)


@contextmanager
def replaced(engine: Engine, by: Path) -> Iterator[None]:
    """Another file lies where the engine's own did."""
    own = engine.file.read_bytes()
    put_in_place(engine.file, by.read_bytes())
    try:
        yield
    finally:
        put_in_place(engine.file, own)


def refuses_another_file(engine: Engine, other: Path) -> bool:
    with replaced(engine, other):
        try:
            only(engine.host)
        except WrongModel as error:
            return "SHA-256" in str(error)
        return False


def test_another_file_under_the_name_is_refused(engine: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(engine.file.read_bytes()[:-1] + b"\x01")
    assert refuses_another_file(engine, other)


def test_twin_without_the_digest_another_file_passes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(engine.file.read_bytes()[:-1] + b"\x01")
    monkeypatch.setattr(derived, "verify", derived.read)
    assert not refuses_another_file(engine, other)


def refuses_an_engine_started_anew(stocked: World, folder: Path) -> bool:
    """The checkpoint that is asked was served, and then another of its name's port; both are honest of themselves."""
    other = heroes.folder_name(10)
    files = {name: folder / f"{name}.gguf" for name in (NAME, other)}
    for name, file in files.items():
        gguf.export(stocked.heroes / "DIO" / name, file)
    port = free_port()
    with llamacpp(files[NAME], ID, port) as host:
        model = only(host)
    with llamacpp(files[other], ID, port) as host:  # under the former one's name
        try:
            return not hear(host, model, "1+1", temperature=0, max_tokens=4)
        except WrongModel as error:
            return other in str(error)


def test_an_engine_started_anew_with_another_model_is_refused(stocked: World, tmp_path: Path) -> None:
    assert refuses_an_engine_started_anew(stocked, tmp_path)


def test_twin_without_the_look_before_and_after_it_answers(
    stocked: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trusting(self: AsyncOracle, model: LoadedModel) -> None:
        """Asks nobody."""

    monkeypatch.setattr(AsyncOracle, "_check_served", trusting)
    assert not refuses_an_engine_started_anew(stocked, tmp_path)


def test_what_changes_while_it_answers_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began as the one that was asked, and is another when its answer ends."""
    model = only(engine.host)

    def change() -> None:
        async def other(host: Host, ask: engines.Ask) -> list[LoadedModel]:
            return [model.model_copy(update={"sha256": "b" * 64})]

        monkeypatch.setattr(engines, "served", other)

    with pytest.raises(WrongModel, match="thrown away"):
        hear(engine.host, model, "1+1", change, temperature=0, max_tokens=4)


def test_several_are_answered_at_the_same_time_and_who_leaves_frees_the_place(engine: Engine) -> None:
    """More streams than places: those that were left make room, and a short question is answered among long ones."""
    model = only(engine.host)
    turns = [Turn(role="user", content="count")]

    async def leave_early(oracle: AsyncOracle) -> None:
        pieces = oracle.chat(model, turns, Sampling(max_tokens=1500, temperature=1.5, seed=1))
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]

    async def all_of_them() -> None:
        async with AsyncOracle(engine.host) as oracle, anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(leave_early, oracle)

    anyio.run(all_of_them)
    wait_until(lambda: not any(slot["is_processing"] for slot in httpx2.get(f"{engine.host.url}/slots").json()))
    assert len(httpx2.get(f"{engine.host.url}/slots").json()) == 3
    assert hear(engine.host, model, "1+1", temperature=0, max_tokens=4)


def test_no_page_of_another_origin_reads_it(engine: Engine) -> None:
    reply = httpx2.get(f"{engine.host.url}/health", headers={"Origin": "http://evil.example"})
    assert reply.headers.get("access-control-allow-origin", "") == ""


@pytest.mark.parametrize("step", [15, 25])
def test_an_adapter_is_merged_and_halves_take_half_the_room(stocked: World, tmp_path: Path, step: int) -> None:
    folder = stocked.heroes / "DIO" / heroes.folder_name(step)
    whole = gguf.export(folder, tmp_path / "whole.gguf")
    gguf.export(folder, tmp_path / "half.gguf", tensor_type="f16")
    assert whole.sha256 == sidecar.answering_digest(sidecar.read(folder))
    sizes = [(tmp_path / f"{name}.gguf").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.65 * sizes[0]
    assert derived.verify(tmp_path / "half.gguf").tensor_type == "f16"
