"""Each kind of engine proves what it serves, or is refused; what it says is played by a stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realm.checkpoints import derived, sidecar
from realm.hosts import Host, Start, read_hosts
from realm.oracle import engines
from realm.oracle.sync_client import HostTrouble, NotLoaded, OracleClient, WrongModel
from realm.world import World
from tests.support.checkpoints import a_sidecar
from tests.support.stub_host import Stub, stub_host

HERO, STEP = "DIO", 1000
NAME = a_sidecar(STEP).name
ID = f"{HERO}/{NAME}"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_host() as running:
        yield running


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "heroes" / HERO / NAME
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    sidecar.write(folder, replace(a_sidecar(STEP), files=sidecar.prove_files(folder)))
    return folder


@pytest.fixture
def file(tmp_path: Path, checkpoint: Path) -> Path:
    """What stands for a GGUF file that was made of the checkpoint."""
    made = tmp_path / "derived" / "made.gguf"
    made.parent.mkdir()
    made.write_bytes(b"GGUF and tensors")
    derived.record(made, sidecar.read(checkpoint))
    return made


def serve(stub: Stub, kind: Any, path: Path, *, name: str = ID, more: str = "", lora: Any = ()) -> Host:
    """An engine of that kind that serves `path` under that name."""
    digest, settings = derived.digest(path), {"params": {"lora": list(lora)}}
    stub.replies |= {
        "GET /props": (200, {
            "model_path": str(path), "model_alias": name, "default_generation_settings": settings,
        }),
        "GET /v1/models": (200, {"data": [{"id": name, "root": str(path)}, {"id": "other", "root": None}]}),
        "GET /api/tags": (200, {"models": [{"name": f"{name}:latest"}, {"name": "llama3:8b"}]}),
        "POST /api/show": (200, {"modelfile": f"FROM /var/lib/ollama/blobs/sha256-{digest}\n{more}"}),
    }  # fmt: skip
    return stub.host(kind, derived=path.parent)


def loaded(host: Host) -> Any:
    with OracleClient(host) as oracle:
        return oracle.loaded()


@pytest.mark.parametrize("kind", ["llamacpp", "vllm", "ollama"])
def test_what_is_served_is_named_with_the_digest_of_the_checkpoints_weights(
    stub: Stub, checkpoint: Path, file: Path, kind: str
) -> None:
    path = checkpoint if kind == "vllm" else file
    (model,) = loaded(serve(stub, kind, path))
    assert (model.id, model.hero, model.step) == (ID, HERO, STEP)
    assert model.sha256 == sidecar.answering_digest(sidecar.read(checkpoint))
    assert model.model_path == str(path) or kind == "ollama"


@pytest.mark.parametrize("kind", ["llamacpp", "vllm", "ollama"])
def test_a_checkpoint_under_anothers_name_is_refused(stub: Stub, checkpoint: Path, file: Path, kind: str) -> None:
    other = f"{HERO}/{a_sidecar(2000).name}"
    with pytest.raises(WrongModel, match=f"serves {ID} .* under the name of {other}"):
        loaded(serve(stub, kind, checkpoint if kind == "vllm" else file, name=other))


@pytest.mark.parametrize("kind", ["llamacpp", "vllm", "ollama"])
def test_a_file_that_was_never_made_here_is_refused(stub: Stub, tmp_path: Path, kind: str) -> None:
    stranger = tmp_path / "stranger.gguf"
    stranger.write_bytes(b"GGUF")
    with pytest.raises(WrongModel, match=r"no record|not proven|never made"):
        loaded(serve(stub, kind, stranger))


@pytest.mark.parametrize(
    ("kind", "keys"), [("llamacpp", {"lora": [{"id": 0, "scale": 0.5}]}), ("ollama", {"more": "ADAPTER /a"})]
)
def test_an_adapter_over_the_file_is_another_model(stub: Stub, file: Path, kind: str, keys: dict[str, Any]) -> None:
    with pytest.raises(WrongModel, match="adapter laid over"):
        loaded(serve(stub, kind, file, **keys))


def test_an_adapter_alone_is_not_the_hero(stub: Stub, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"adapter")
    sidecar.write(folder, replace(a_sidecar(STEP), base_sha256="c" * 64, files=sidecar.prove_files(folder)))
    with pytest.raises(WrongModel, match="an adapter alone"):
        loaded(serve(stub, "vllm", folder))


def test_a_name_that_is_no_checkpoints_is_told_with_one(stub: Stub, file: Path) -> None:
    with pytest.raises(WrongModel, match="no checkpoint's name such as DIO/checkpoint-"):
        loaded(serve(stub, "llamacpp", file, name="made.gguf"))
    assert loaded(serve(stub, "vllm", file, name="Qwen/Qwen3-0.6B")) == []
    assert loaded(serve(stub, "ollama", file, name="qwen3")) == []


def test_bytes_that_have_changed_are_refused_though_the_record_stands(stub: Stub, file: Path) -> None:
    host = serve(stub, "llamacpp", file)
    assert loaded(host)
    file.write_bytes(b"GGUF and other tensors")
    with pytest.raises(WrongModel, match="has changed since it was made"):
        loaded(host)


def test_a_record_that_was_written_by_hand_proves_nothing(stub: Stub, file: Path) -> None:
    told = json.loads(derived.path_of(file).read_bytes())
    derived.path_of(file).write_text(json.dumps(told | {"name": a_sidecar(2000).name}))
    with pytest.raises(WrongModel, match="cannot be read: it has changed"):
        loaded(serve(stub, "llamacpp", file))


@pytest.mark.parametrize(
    ("kind", "told"), [("llamacpp", "start llama.cpp"), ("vllm", "start vLLM"), ("ollama", "give it to Ollama")]
)
def test_loading_says_how_where_the_engine_cannot(stub: Stub, file: Path, kind: str, told: str) -> None:
    host = serve(stub, kind, file)
    with OracleClient(host) as oracle:
        assert oracle.load(hero=HERO, step=STEP).id == ID
        with pytest.raises(NotLoaded, match=f"stub does not serve 2000: {told} .*manage.py engine stub --show"):
            oracle.load(hero=HERO, step=2000)
        with pytest.raises(HostTrouble, match="keeps its own models"):
            oracle.unload(hero=HERO, step=STEP)


def test_one_that_the_weaver_starts_is_wished_another_and_says_why_not(
    stub: Stub, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = tmp_path / "control" / "engines" / "stub.json"
    host = replace(serve(stub, "llamacpp", file), start=Start(), wish_file=wish)

    def refuse(path: Path, said: dict[str, Any]) -> str:
        path.write_text(json.dumps(said | {"refused": "DIO has no checkpoint step 2000 here"}))
        return plain(path, said)

    plain = engines._refused
    monkeypatch.setattr(engines, "_refused", refuse)
    with OracleClient(host) as oracle:
        with pytest.raises(HostTrouble, match="stub: DIO has no checkpoint step 2000 here"):
            oracle.load(hero=HERO, step=2000)
        oracle.unload(hero=HERO, step=2000)
    assert not wish.exists()


def test_one_that_is_reading_its_file_is_waited_for(
    stub: Stub, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp answers 503 until then; the twin is an engine that refuses for good."""
    host = replace(serve(stub, "llamacpp", file), start=Start(), wish_file=tmp_path / "engines" / "stub.json")
    ready, asked = stub.replies["GET /props"], []

    def looked(path: Path, said: dict[str, Any]) -> str:
        asked.append(path)
        stub.replies["GET /props"] = ready
        return ""

    monkeypatch.setattr(engines, "_refused", looked)
    with OracleClient(host) as oracle:
        stub.replies["GET /props"] = (503, {"error": {"code": 503, "message": "Loading model"}})
        assert oracle.load(hero=HERO, step=STEP).id == ID
        assert asked
        stub.replies["GET /props"] = (500, {"error": {"code": 500, "message": "broken"}})
        with pytest.raises(HostTrouble, match="stub: broken"):
            oracle.load(hero=HERO, step=STEP)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{kind: vllm}", "url: a host of kind vllm needs one"),
        ("{kind: ollama, url: 'http://127.0.0.1:1', start: true}", "starts only hosts of kind vllm or llamacpp"),
        ("{kind: llamacpp, start: true}", "url: a host of kind llamacpp|it needs a port"),
        ("{kind: llamacpp, url: 'http://10.0.0.5:8081', start: true}", "on 127.0.0.1 alone"),
        ("{kind: llamacpp, url: 'http://127.0.0.1:8081', start: {parallel: 0}}", "parallel: 0"),
        ("{kind: llamacpp, url: 'http://127.0.0.1:8081', models: {1: a}}", "models: only hosts of kind openai"),
        ("{kind: realm, start: true}", "starts only hosts of kind"),
    ],
)
def test_a_mistake_in_an_engines_entry_is_told(tmp_path: Path, entry: str, told: str) -> None:
    (tmp_path / "hosts.yaml").write_text(f"box: {entry}\n")
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(read_hosts(World(tmp_path)).trouble)


def test_start_may_be_a_word_or_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text(
        "a: {kind: llamacpp, url: 'http://127.0.0.1:8081', start: true}\n"
        "b: {kind: llamacpp, services: {inference: {port: 8082}}, start: {checkpoint: best, parallel: 2}}\n"
        "c: {kind: vllm, url: 'http://127.0.0.1:8083', start: false}\n"
    )
    _, a, b, c = read_hosts(World(tmp_path)).hosts
    assert a.start == Start()
    assert (b.url, b.start) == ("http://127.0.0.1:8082", Start(checkpoint="best", parallel=2))
    assert c.start is None
