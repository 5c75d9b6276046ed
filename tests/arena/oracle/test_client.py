"""The client of inference hosts against a real one: as a host of this project, and as any server of OpenAI's API."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from realm.hosts import Host
from realm.oracle.client import AsyncOracle, Ending
from realm.oracle.sync_client import Damaged, NotLoaded, OracleClient, WrongModel
from realm.oracle.wire import LoadedModel, Sampling, Turn
from realm.world import World
from tests.arena.oracle.test_loading import flip
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import PROMPTS, RunningOracle

pytestmark = pytest.mark.slow


def as_realm(running: RunningOracle) -> Host:
    return Host(id="local", name="local", url=running.url, kind="realm")


def as_foreign(running: RunningOracle) -> Host:
    models = {0: "DIO/base", 5: f"DIO/{heroes.folder_name(5)}", 10: f"DIO/{heroes.folder_name(10)}"}
    return Host(id="remote", name="remote", url=running.url, kind="openai", models=models, hero="DIO")


def hear(host: Host, model: LoadedModel, prompt: str, **sampling: Any) -> tuple[str, Ending]:
    async def listen() -> tuple[str, Ending]:
        async with AsyncOracle(host) as oracle:
            turns = [Turn(role="user", content=prompt)]
            *texts, ending = [piece async for piece in oracle.chat(model, turns, Sampling(**sampling))]
        assert isinstance(ending, Ending)
        return "".join(map(str, texts)), ending

    return anyio.run(listen)


def test_each_loaded_checkpoint_answers_as_itself(running: RunningOracle) -> None:
    with OracleClient(as_realm(running)) as oracle:
        assert oracle.health()["status"] == "healthy"
        models = oracle.loaded()
        assert [model.step for model in models] == [15, 5, 0]
        assert len({model.sha256 for model in models}) == 3
        answers = [oracle.answer(model, PROMPTS, max_new_tokens=8) for model in models]
    assert len({tuple(said) for said in answers}) == 3
    assert answers[1] == running.answers(f"DIO/{heroes.folder_name(5)}")["answers"]


def test_streamed_and_whole_answers_agree(running: RunningOracle) -> None:
    host = as_realm(running)
    with OracleClient(host) as oracle:
        for model in oracle.loaded():
            (whole,) = oracle.answer(model, PROMPTS[:1], max_new_tokens=8)
            text, ending = hear(host, model, PROMPTS[0], temperature=0.0, max_tokens=8)
            assert text.strip() == whole.strip()
            assert ending.answer_tokens
            assert ending.finish_reason in ("stop", "length")


def test_other_weights_under_the_same_name_are_refused(running: RunningOracle) -> None:
    """As when a checkpoint was replaced between the look at what is loaded and the answer."""
    host = as_realm(running)
    with OracleClient(host) as oracle:
        model = oracle.loaded()[0].model_copy(update={"sha256": "0" * 64})
        with pytest.raises(WrongModel, match="its answer was thrown away"):
            oracle.answer(model, PROMPTS, max_new_tokens=4)
    with pytest.raises(WrongModel, match="its answer was thrown away"):
        hear(host, model, "7", max_tokens=4)


def test_a_step_that_is_not_loaded_and_one_that_is_not_there(running: RunningOracle) -> None:
    with OracleClient(as_realm(running)) as oracle:
        absent = oracle.loaded()[0].model_copy(update={"id": f"DIO/{heroes.folder_name(10)}", "step": 10})
        with pytest.raises(NotLoaded) as caught:
            oracle.answer(absent, PROMPTS, max_new_tokens=4)
        assert str(caught.value) == "Step 10 not loaded. Available: [15, 5, 0]"
        with pytest.raises(NotLoaded) as caught:
            oracle.load(hero="DIO", step=148000)
        assert caught.value.available == [25, 20, 15, 10, 5, 0]
        assert str(caught.value).count("Available") == 1


def test_the_projects_own_host_serves_as_a_foreign_one(running: RunningOracle) -> None:
    own, foreign = as_realm(running), as_foreign(running)
    with OracleClient(own) as oracle, OracleClient(foreign) as remote:
        known = {model.step: model for model in oracle.loaded()}
        assert [(model.step, model.sha256) for model in remote.loaded()] == [(5, None), (0, None)]
        for model in remote.loaded():
            said = remote.answer(model, PROMPTS, max_new_tokens=8)
            assert said == oracle.answer(known[model.step], PROMPTS, max_new_tokens=8)
        with pytest.raises(NotLoaded, match=r"Step 10 not loaded. Available: \[5, 0\]"):
            remote.load(hero="DIO", step=10)
        text, _ = hear(foreign, remote.load(hero="DIO", step=5), PROMPTS[0], temperature=0.0, max_tokens=8)
        assert text.strip() == said_by(oracle, known[5]).strip()


def said_by(oracle: OracleClient, model: LoadedModel) -> str:
    (said,) = oracle.answer(model, PROMPTS[:1], max_new_tokens=8)
    return said


def test_damage_names_the_file(tmp_path: Any) -> None:
    world = World(tmp_path / "world")
    heroes.make_world(world.home)
    flip(heroes.add_full(world, 5) / "model.safetensors")
    with heroes.oracle(world) as host, OracleClient(as_realm(host)) as oracle:
        with pytest.raises(Damaged, match=r"model\.safetensors"):
            oracle.load(hero="DIO", step=5)
        assert oracle.load(hero="DIO", step=0).name == "base"
        oracle.unload(hero="DIO", step=0)
        assert oracle.loaded() == []
