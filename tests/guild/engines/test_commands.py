"""The command lines of engines, word by word; vLLM's is not run where no GPU is."""

from __future__ import annotations

import shlex
from pathlib import Path

from guild.engines import commands
from realm.hosts import Host, Start, read_hosts
from realm.world import World

MODEL = "DIO/checkpoint-1000-20261121-0338"


def a_host(kind: str, start: Start | None = None) -> Host:
    return Host(id="box", name="box", url="http://127.0.0.1:8081", kind=kind, start=start)  # type: ignore[arg-type]


def test_vllm_serves_a_folder_on_loopback_under_the_canonical_name() -> None:
    start = Start(context_length=2048, parallel=8, tensor_type="f16")
    said = shlex.join(commands.of(a_host("vllm", start), start, MODEL, Path("/world/checkpoint")))
    assert said == (
        "vllm serve /world/checkpoint --served-model-name DIO/checkpoint-1000-20261121-0338 --host 127.0.0.1 "
        "--port 8081 --max-model-len 2048 --max-num-seqs 8 --dtype float16 --generation-config vllm"
    )


def test_llamacpp_shares_its_context_between_the_conversations() -> None:
    start = Start(context_length=2048, parallel=4, threads=2)
    (said,) = commands.by_hand(a_host("llamacpp", start), MODEL, Path("/world/made.gguf"))
    assert shlex.join(said) == (
        "llama-server --model /world/made.gguf --alias DIO/checkpoint-1000-20261121-0338 --host 127.0.0.1 --port 8081 "
        "--ctx-size 8192 --parallel 4 --threads 2"
    )


def test_ollama_takes_the_file_and_nothing_over_it() -> None:
    (said,) = commands.by_hand(a_host("ollama"), MODEL, Path("/world/derived/box/made.gguf"))
    assert shlex.join(said) == f"ollama create {MODEL} -f /world/derived/box/Modelfile"
    assert commands.modelfile(Path("/world/made.gguf")) == "FROM /world/made.gguf\n"


def test_the_weaver_has_a_service_for_each_engine_that_it_starts(tmp_path: Path) -> None:
    from realm.config import RealmConfig
    from realm.weaver.services import services

    entries = "box: {kind: llamacpp, url: 'http://127.0.0.1:8081', start: true}\nother: {kind: vllm, url: 'http://10.0.0.5:1'}\n"
    (tmp_path / "hosts.yaml").write_text(entries)
    world = World(tmp_path)
    assert len(read_hosts(world).hosts) == 3
    added = set(services(RealmConfig(), world)) - set(services(RealmConfig()))
    (service,) = added
    assert (service.name, service.arguments, service.port) == ("engine-box", ("manage.py", "engine", "box"), 8081)
