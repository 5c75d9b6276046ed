from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from arena import embedded
from realm.checkpoints import sidecar

TOKENIZER = Tokenizer.from_file(str(embedded.SOURCE / "tokenizer.json"))
WEIGHTS_SHA256 = "5eecf0287ed409bff65f4f059d95aa794899ed47e2a934238d350b8dc766f415"


@given(st.text())
def test_any_text_round_trips(text: str) -> None:
    encoding = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(encoding.ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("text", [*"⓪①②③④⑤⑥⑦⑧⑨", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>"])
def test_the_skills_alphabet_and_the_special_tokens_are_single_tokens(text: str) -> None:
    assert len(TOKENIZER.encode(text).ids) == 1


def test_the_vocabulary_is_small() -> None:
    assert TOKENIZER.get_vocab_size() == 1024


def test_the_hero_is_the_same_on_every_machine(tmp_path: Path) -> None:
    folder = embedded.ensure(tmp_path)
    assert sidecar.digest(folder / "model.safetensors") == WEIGHTS_SHA256


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = embedded.ensure(tmp_path)
    (folder / "model.safetensors").write_bytes(b"trained")
    embedded.ensure(tmp_path)
    assert (folder / "model.safetensors").read_bytes() == b"trained"
