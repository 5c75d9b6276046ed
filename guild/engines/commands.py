"""How engines are started, by their own command lines; always on loopback, under the checkpoint's canonical name."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from realm.host_services import LOOPBACK
from realm.hosts import Host, Start

_DTYPE = {"f32": "float32", "f16": "float16"}


def of(host: Host, start: Start, model: str, made: Path) -> tuple[str, ...]:
    """The command that serves `made` as `model` at the host's port; llama.cpp's server is that of xllamacpp."""
    if host.kind == "vllm":
        return vllm(start, model, made, port_of(host))
    return sys.executable, "-m", "guild.engines.llamacpp", *llamacpp(start, model, made, port_of(host))


def vllm(start: Start, model: str, folder: Path, port: int) -> tuple[str, ...]:
    length = ("--max-model-len", str(start.context_length)) if start.context_length else ()
    return (
        "vllm", "serve", str(folder), "--served-model-name", model, "--host", LOOPBACK, "--port", str(port),
        *length, "--max-num-seqs", str(start.parallel), "--dtype", _DTYPE[start.tensor_type],
        "--generation-config", "vllm",
    )  # fmt: skip


def llamacpp(start: Start, model: str, file: Path, port: int) -> tuple[str, ...]:
    """Options as llama-server has them, too; its context is shared by the conversations."""
    length = ("--ctx-size", str(start.context_length * start.parallel)) if start.context_length else ()
    threads = ("--threads", str(start.threads)) if start.threads else ()
    return (
        "--model", str(file), "--alias", model, "--host", LOOPBACK, "--port", str(port),
        *length, "--parallel", str(start.parallel), *threads,
    )  # fmt: skip


def by_hand(host: Host, model: str, made: Path) -> tuple[tuple[str, ...], ...]:
    """What a player types where no weaver starts it; Ollama takes the file into its own store."""
    start = host.start or Start()
    if host.kind == "ollama":
        return (("ollama", "create", model, "-f", str(modelfile_of(made))),)
    if host.kind == "vllm":
        return (vllm(start, model, made, port_of(host)),)
    return (("llama-server", *llamacpp(start, model, made, port_of(host))),)


def held(command: tuple[str, ...]) -> tuple[str, ...]:
    """One that the kernel ends with this process, however that ends, where the machine has the tool for it."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--", *command) if setpriv else command


def modelfile_of(file: Path) -> Path:
    return file.with_name("Modelfile")


def modelfile(file: Path) -> str:
    """Of Ollama: the file and nothing over it, since anything else would change the answers."""
    return f"FROM {file}\n"


def port_of(host: Host) -> int:
    return urlsplit(host.url).port or 80
