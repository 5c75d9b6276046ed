"""What somebody else's engine serves of this world's checkpoints: told by the engine, proven here.

An engine is believed its name for a model only where the file or the digest that it tells is that checkpoint's.
llama.cpp tells its file's path (`/props`), vLLM its folder (`root` in `/v1/models`), both of which must lie on this
machine; Ollama tells the SHA-256 of its file (`/api/show`), which proves it wherever Ollama runs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from realm.checkpoints import derived
from realm.checkpoints.derived import Derived
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.disk import durable
from realm.hosts import Host
from realm.oracle import wire
from realm.oracle.errors import HostDown, HostTrouble, NotLoaded, WrongModel
from realm.oracle.wire import LoadedModel
from realm.web.bodies import Body

Ask = Callable[..., Awaitable[Any]]
"""Method, path, kind of reply, and `body`, of one engine."""

LOOK_SECONDS = 0.2
_BLOB = re.compile(r"^FROM\s+(\S*sha256[-:]([0-9a-f]{64}))\s*$", re.MULTILINE)
_ADAPTER = re.compile(r"^ADAPTER\s", re.MULTILINE)
_HOW = {
    "vllm": "start vLLM with it by the command of `manage.py engine {host} --show`",
    "llamacpp": "start llama.cpp with it by the command of `manage.py engine {host} --show`",
    "ollama": "give it to Ollama by the command of `manage.py engine {host} --show`",
}


class Asked(Body):
    """Of Ollama's `/api/show`."""

    model: str


async def served(host: Host, ask: Ask) -> list[LoadedModel]:
    """The checkpoints that the engine serves, each proven. Raises WrongModel for one that is not what it is called."""
    return await {"llamacpp": _of_llamacpp, "vllm": _of_vllm, "ollama": _of_ollama}[host.kind](host, ask)


async def is_well(host: Host, ask: Ask) -> None:
    """Raises HostTrouble."""
    await (
        ask("GET", "/api/tags", wire.OllamaTags)
        if host.kind == "ollama"
        else ask("GET", "/v1/models", wire.ServedModels)
    )


async def wish(host: Host, wished: str, look: Callable[[], Awaitable[list[LoadedModel]]]) -> LoadedModel:
    """The wished checkpoint, a name or a step, once an engine that the weaver starts serves it.

    Raises NotLoaded with how it is brought there for any other engine, and HostTrouble where it cannot be served.
    """
    if host.wish_file is None:
        raise NotLoaded(f"{host.id} does not serve {wished}: {_HOW[host.kind].format(host=host.id)}.", [])
    path, said = host.wish_file, {"checkpoint": wished, "at": time.time()}
    await anyio.to_thread.run_sync(_write, path, said)
    with anyio.move_on_after(host.load_seconds):
        while True:
            try:
                found = [model for model in await look() if wished in (model.name, str(model.step))]
            except HostDown:  # it starts anew
                found = []
            if found:
                return found[0]
            if why := await anyio.to_thread.run_sync(_refused, path, said):
                raise HostTrouble(f"{host.id}: {why}")
            await anyio.sleep(LOOK_SECONDS)
    raise HostDown(f"{host.id} does not serve {wished} after {host.load_seconds:g} s; its log says why.")


async def take_back(host: Host) -> None:
    """From now on the engine serves what its entry says. Raises HostTrouble for one that the weaver does not start."""
    if host.wish_file is None:
        raise HostTrouble(f"{host.id} keeps its own models; nothing can be unloaded there.")
    await anyio.to_thread.run_sync(lambda path: path.unlink(missing_ok=True), host.wish_file)


def _write(path: Path, said: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write_json(path, said, sync=False)


def _refused(path: Path, said: dict[str, Any]) -> str:
    """Why the engine will not serve what was wished; empty where it has not said so."""
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return ""
    same = isinstance(told, dict) and {**told, "refused": None} == {**said, "refused": None}
    return str(told.get("refused") or "") if same else ""


async def _of_llamacpp(host: Host, ask: Ask) -> list[LoadedModel]:
    props = await ask("GET", "/props", wire.LlamaProps)
    if any(adapter.get("scale") for adapter in props.adapters):
        raise WrongModel(
            f"{host.id} has an adapter laid over its file; another model than {props.model_alias} answers."
        )
    if not _is_canonical(props.model_alias):
        raise WrongModel(
            f"{host.id} serves {wire.one_line(props.model_alias, longest=80)!r}, which is no checkpoint's name such as "
            "DIO/checkpoint-1000-20261121-0338; start it with that as --alias."
        )
    return [await _proven(host, props.model_alias, props.model_path)]


async def _of_vllm(host: Host, ask: Ask) -> list[LoadedModel]:
    told = await ask("GET", "/v1/models", wire.ServedModels)
    return [await _proven(host, model.id, model.root or "") for model in told.data if _is_canonical(model.id)]


async def _of_ollama(host: Host, ask: Ask) -> list[LoadedModel]:
    tags = await ask("GET", "/api/tags", wire.OllamaTags)
    names = [model.name.removesuffix(":latest") for model in tags.models]
    named = [name for name in names if _is_canonical(name)]
    if not named or host.derived is None:
        return []
    made = await anyio.to_thread.run_sync(lambda folder: list(derived.records(folder)), host.derived)
    by_digest = {one.made_sha256: one for one in made}
    return [await _shown(host, ask, name, by_digest) for name in named]


async def _shown(host: Host, ask: Ask, name: str, by_digest: dict[str, Derived]) -> LoadedModel:
    shown = await ask("POST", "/api/show", wire.OllamaShown, body=Asked(model=name))
    blob = _BLOB.search(shown.modelfile)
    if blob is None:
        raise WrongModel(f"{host.id} does not say of which file {name} is.")
    if _ADAPTER.search(shown.modelfile):
        raise WrongModel(f"{host.id} has an adapter laid over its file; another model than {name} answers.")
    found = by_digest.get(blob[2])
    if found is None:
        raise WrongModel(f"{host.id} serves as {name} a file (SHA-256 {blob[2][:12]}) that this world never made.")
    return _loaded(host, name, blob[1], found)


async def _proven(host: Host, name: str, path: str) -> LoadedModel:
    """By the bytes that lie at `path` on this machine."""
    if not Path(path).is_absolute():
        raise WrongModel(f"{host.id} tells no absolute path of what it serves as {name}; nothing proves it.")
    try:
        found = await anyio.to_thread.run_sync(derived.prove, Path(path))
    except DamagedCheckpoint as damage:
        raise WrongModel(f"{host.id} serves as {name} what is not proven: {damage}.") from damage
    except OSError as error:
        raise HostTrouble(f"{host.id}: {path} cannot be read here: {error.strerror or error}.") from error
    return _loaded(host, name, path, found)


def _loaded(host: Host, name: str, path: str, found: Derived) -> LoadedModel:
    if found.id != name:
        raise WrongModel(f"{host.id} serves {found.id} (weights {found.sha256[:12]}) under the name of {name}.")
    return LoadedModel(id=name, hero=found.hero, step=found.step, name=found.name, model_path=path, sha256=found.sha256)


def _is_canonical(name: str) -> bool:
    hero, _, checkpoint = name.partition("/")
    return bool(hero) and step_of(checkpoint) is not None
