"""Small worlds whose checkpoints answer differently, and a real inference host for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM

from arena import embedded
from arena.hero import origin
from realm.checkpoints import sidecar
from realm.disk import durable
from realm.world import CHECKOUT, World
from tests.support import tiny_hero
from tests.support.checkpoints import a_sidecar
from tests.support.servers import environment, free_port, wait_until

PROMPTS = ("1+1", "20+22", "7", "What is your name?", "3+456")


def make_world(home: Path) -> World:
    """With a tiny hero in the place of the embedded one."""
    world = World(home)
    world.create()
    folder = tiny_hero.make_base(embedded.folder(world.models))
    _write_weights(folder, seed=7)
    return world


def _write_weights(folder: Path, seed: int) -> None:
    """Random ones would repeat the last token for ever: what layers add is louder here than the token itself."""
    config = json.loads((folder / "config.json").read_bytes())
    tensors = embedded.weights(config, seed=seed)
    for name, tensor in tensors.items():
        if name.endswith(("v_proj.weight", "o_proj.weight", "down_proj.weight")):
            tensor *= 8
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def add_full(world: World, step: int, *, seed: int | None = None, hero: str = "DIO", **changes: Any) -> Path:
    """A checkpoint whose weights are drawn from a seed: it answers like no other."""
    source = embedded.folder(world.models)
    with _new_checkpoint(world, step, hero, mode="full", **changes) as folder:
        for path in source.iterdir():
            shutil.copyfile(path, folder / path.name)
        _write_weights(folder, seed=1000 + step if seed is None else seed)
    return world.heroes / hero / folder_name(step, hero)


def add_adapter(world: World, step: int, *, on: Path | None = None, hero: str = "DIO", **changes: Any) -> Path:
    """An adapter on the base model, or on the full checkpoint `on`, drawn from the step."""
    source = on or embedded.folder(world.models)
    model = AutoModelForCausalLM.from_pretrained(source)
    names = ["q_proj", "v_proj", "down_proj"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step)
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules=names, task_type="CAUSAL_LM"))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:  # zeros, with which it would answer as its base does
                torch.nn.init.normal_(parameter, std=0.5)
    told = {"adapter_base": on.name if on else None, "base_sha256": origin.weights_digest(str(source))}
    with _new_checkpoint(world, step, hero, mode="lora", **told, **changes) as folder:
        adapted.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
    return world.heroes / hero / folder_name(step, hero)


def folder_name(step: int, hero: str = "DIO") -> str:
    return a_sidecar(step, hero=hero).name


@contextmanager
def _new_checkpoint(world: World, step: int, hero: str, **changes: Any) -> Iterator[Path]:
    final = world.heroes / hero / folder_name(step, hero)
    final.parent.mkdir(parents=True, exist_ok=True)
    base_model = os.path.relpath(embedded.folder(world.models), final.parent)
    said = replace(a_sidecar(step, hero=hero), base_model=base_model, **changes)
    with durable.new_folder(final) as fresh:
        yield fresh
        sidecar.write(fresh, replace(said, files=sidecar.prove_files(fresh)))


@dataclass(frozen=True)
class RunningOracle:
    world: World
    port: int
    process: subprocess.Popen[bytes]
    http: httpx2.Client
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def post(self, path: str, **body: Any) -> Any:
        """The reply's JSON, of a request that is granted."""
        reply = self.http.post(path, json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def load(self, step: int) -> dict[str, Any]:
        loaded: dict[str, Any] = self.post("/models/load", step=step)
        return loaded

    def answers(self, model: str, prompts: Sequence[str] = PROMPTS, max_new_tokens: int = 8) -> Any:
        return self.post("/v1/answers", model=model, prompts=list(prompts), max_new_tokens=max_new_tokens)


@contextmanager
def oracle(
    world: World, *, address: str = "127.0.0.1", token: str = "", **variables: object
) -> Iterator[RunningOracle]:
    """A real host of that world, answering; gone on leaving."""
    port = free_port()
    log = world.home / "oracle.log"
    command = [sys.executable, "-m", "arena.oracle", "--port", str(port)]
    with open(log, "ab") as file:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(world, **variables), stdout=file, stderr=file
        )  # fmt: skip
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with httpx2.Client(base_url=f"http://{address}:{port}", headers=headers, timeout=100) as http:
            wait_until(lambda: process.poll() is not None or _answers(http))
            assert process.poll() is None, log.read_text()
            yield RunningOracle(world, port, process, http, address)
    finally:
        process.kill()
        process.wait()


def _answers(http: httpx2.Client) -> bool:
    try:
        return bool(http.get("/health").status_code == 200)
    except httpx2.HTTPError:
        return False
