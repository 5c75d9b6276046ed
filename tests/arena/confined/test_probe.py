"""What is found wrong with a model before it is used, in one sentence that names it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arena.confined import asking, configuration, probe
from arena.confined.probe import Asked, Verdict
from arena.rows.tokenizer import UnusableTokenizer
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.disk import regular_files
from realm.disk.regular_files import UnfitFile
from tests.support.checkpoints import a_sidecar
from tests.support.hostile_models import HOSTILE, change_config, change_tokenizer

AT_ONCE = (
    "weights: ",
    "config.json: ",
    "model.safetensors: ",
    "tokenizer.json: a",
    "chat_template.jinja: a",
    "config: ",
)
LEFT_TO_TRANSFORMERS = (
    "unknown", "picture", "code of its own", "quantisation", "rope", "activation", "layer_types", "missing tensor",
    "max_position_embeddings 1000000000", "intermediate_size 1000000000",
)  # fmt: skip
REFUSED = [
    name for name in HOSTILE if name.startswith(AT_ONCE) and not any(word in name for word in LEFT_TO_TRANSFORMERS)
]


@pytest.fixture
def model(tiny_base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_base, tmp_path / "hero")


def verdict(folder: Path, **asked: Any) -> Verdict:
    return probe.probe(Asked(model=str(folder), tokenizer=str(folder), **asked))


def test_a_whole_model_is_fine(tiny_base: Path) -> None:
    assert verdict(tiny_base, max_length=64, memory_bytes=10**9) == Verdict()


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_files_are_refused_in_a_sentence_that_names_the_model(model: Path, name: str) -> None:
    HOSTILE[name].make(model)
    found = verdict(model).refusal
    assert str(model) in found
    assert len(found) <= 302
    assert "Traceback" not in found


def wide_vocabulary(folder: Path) -> None:
    change_tokenizer(folder, lambda value: value["model"]["vocab"].update(beyond=len(value["model"]["vocab"]) + 10**6))


def as_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "the/base"}')


FAULTS: list[tuple[Callable[[Path], object], dict[str, int], str, str]] = [
    (wide_vocabulary, {}, "'beyond') of an embedding of", "_check_vocabulary"),
    (as_adapter, {}, "is an adapter on the/base: merge it into that one", "ADAPTER_FILE"),
    (lambda folder: None, {"memory_bytes": 1000, "bytes_a_number": 16}, "take at least", "_check_memory"),
    (
        lambda folder: change_config(folder, num_hidden_layers=3),
        {},
        "num_hidden_layers 3, and its weights have 2",
        "mismatch",
    ),
    (lambda folder: change_config(folder, vocab_size=7), {}, "vocab_size 7, and its weights hold", "mismatch"),
    (lambda folder: change_config(folder, num_labels=10**9), {}, "num_labels 1000000000", "mismatch"),
]


@pytest.mark.parametrize(("change", "asked", "told", "guard"), FAULTS)
def test_what_no_quest_is_to_blame_for_is_told_once(
    model: Path, change: Callable[[Path], object], asked: dict[str, Any], told: str, guard: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    change(model)
    assert told in verdict(model, **asked).refusal
    monkeypatch.setattr(probe, guard, "none" if guard.isupper() else lambda *_: "")
    assert told not in verdict(model, **asked).refusal, "twin: without the guard it would be found by the trainer"


def test_learned_positions_are_held_against_max_length() -> None:
    tensor = configuration.TensorShape("F32", (64, 8))
    named = {"transformer.wte.weight": tensor, "transformer.wpe.weight": tensor}
    assert configuration.learned_positions(named) == 64
    asked = Asked(model="m", tokenizer="m", max_length=256)
    with pytest.raises(UnusableTokenizer, match="64 positions, max_length 256"):
        probe._check_positions(asked, named)
    computed = {"model.embed_tokens.weight": tensor}
    probe._check_positions(asked, computed)


def test_a_picture_model_beside_the_text_is_not_counted() -> None:
    tensor = configuration.TensorShape("F32", (8, 8))
    names = ("language_model.model.embed_tokens.weight", "language_model.model.layers.0.a", "vision.encoder.layers.9.a")
    config = {"text_config": {"num_hidden_layers": 2, "vocab_size": 8}, "vision_config": {"num_hidden_layers": 10}}
    told = configuration.mismatch(config, dict.fromkeys(names, tensor))
    assert told == "config.json: num_hidden_layers 2, and its weights have 1 layers"


def test_what_is_remembered_is_asked_again_after_a_change(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Asked] = []

    def ask(asked: Asked, rows: str) -> Verdict:
        runs.append(asked)
        return probe.probe(asked)

    monkeypatch.setattr(asking, "_ask", ask)
    monkeypatch.setattr(asking, "_known", {})
    asked = Asked(model=str(model), tokenizer=str(model))
    assert [asking.verdict_of(asked).refusal for _ in range(2)] == ["", ""]
    assert len(runs) == 1
    (model / "README.md").unlink(missing_ok=True)
    os.mkfifo(model / "README.md")
    assert "README.md is no regular file" in asking.verdict_of(asked).refusal
    assert len(runs) == 2


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert regular_files.read_regular(path, most_bytes=5) == b"12345"
    with pytest.raises(UnfitFile, match="larger than 4 bytes"):
        regular_files.read_regular(path, most_bytes=4)
    for name, make in {
        "fifo": os.mkfifo,
        "device": lambda path: path.symlink_to("/dev/zero"),
        "folder": Path.mkdir,
    }.items():
        make(tmp_path / name)
        with pytest.raises(UnfitFile, match="no regular file"):
            regular_files.open_regular(tmp_path / name)


def test_a_fifo_in_a_checkpoint_is_damage(tmp_path: Path) -> None:
    folder = tmp_path / a_sidecar(5).name
    folder.mkdir()
    sidecar.write(folder, a_sidecar(5))
    os.mkfifo(folder / "chat_template.jinja")
    with pytest.raises(DamagedCheckpoint, match=r"chat_template\.jinja is not in its sidecar"):
        sidecar.verify(folder)
    (folder / "chat_template.jinja").unlink()
    (folder / sidecar.SIDECAR).unlink()
    os.mkfifo(folder / sidecar.SIDECAR)
    with pytest.raises(DamagedCheckpoint, match="no regular file"):
        sidecar.read(folder)
