import errno
import hashlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from realm.checkpoints import sidecar
from realm.checkpoints.names import canonical_name, checkpoint_folders, step_of
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk import durable
from tests.support.checkpoints import WEIGHTS, a_sidecar, make_checkpoint, rewrite_sidecar

FLIPS = 40
SIDECAR_FLIPS = 2000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path, 100)


def flip_bit(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def some_bits(path: Path) -> list[int]:
    return random.Random(7).sample(range(path.stat().st_size * 8), FLIPS)


def test_a_whole_checkpoint_is_proven(folder: Path) -> None:
    proven = sidecar.verify(folder)
    assert (proven.name, proven.step, sorted(proven.files)) == (folder.name, 100, [WEIGHTS, "tokenizer/tokenizer.json"])
    assert sidecar.verify(folder, quick=True) == proven


def test_every_flipped_bit_of_the_weights_is_refused_by_name(folder: Path) -> None:
    path = folder / WEIGHTS
    for bit in some_bits(path):
        flip_bit(path, bit)
        with pytest.raises(DamagedCheckpoint, match=rf"{folder.name}: model\.safetensors has changed since it was"):
            sidecar.verify(folder)
        flip_bit(path, bit)
    sidecar.verify(folder)


def test_twin_without_the_digest_every_flipped_bit_goes_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / WEIGHTS
    saved = sidecar.digest(path)
    others = sidecar.digest
    monkeypatch.setattr(sidecar, "digest", lambda asked: saved if asked == path else others(asked))
    for bit in some_bits(path):
        flip_bit(path, bit)
        sidecar.verify(folder)
        flip_bit(path, bit)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 500])
def test_a_truncated_file_is_refused(folder: Path, kept: int, quick: bool) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedCheckpoint, match=r"model\.safetensors has another size than when it was saved"):
        sidecar.verify(folder, quick=quick)


def test_a_zeroed_page_is_refused(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(bytes(512) + path.read_bytes()[512:])
    with pytest.raises(DamagedCheckpoint, match=r"model\.safetensors has changed since it was saved"):
        sidecar.verify(folder)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer/tokenizer.json"])
def test_a_missing_file_is_refused(folder: Path, name: str, quick: bool) -> None:
    (folder / name).unlink()
    with pytest.raises(DamagedCheckpoint, match=f"{folder.name}: {name} is missing"):
        sidecar.verify(folder, quick=quick)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", ["pytorch_model.bin", ".hidden", "tokenizer/more.json", "tokenizer/.ledger.json"])
def test_a_foreign_file_is_refused(folder: Path, name: str, quick: bool) -> None:
    (folder / name).touch()
    with pytest.raises(DamagedCheckpoint, match=f"{folder.name}: {name} is not in its sidecar"):
        sidecar.verify(folder, quick=quick)


def test_a_foreign_link_is_refused_even_if_it_leads_nowhere(folder: Path) -> None:
    (folder / "link").symlink_to("nowhere")
    with pytest.raises(DamagedCheckpoint, match="link is not in its sidecar"):
        sidecar.verify(folder)


def test_a_file_of_another_checkpoint_is_refused(folder: Path) -> None:
    other = make_checkpoint(folder.parent.parent, 200)
    shutil.copy(other / WEIGHTS, folder / WEIGHTS)
    assert (folder / WEIGHTS).stat().st_size == sidecar.read(folder).files[WEIGHTS].size_bytes
    with pytest.raises(DamagedCheckpoint, match=r"model\.safetensors has changed since it was saved"):
        sidecar.verify(folder)


def test_two_files_swapped_within_a_checkpoint_are_refused(folder: Path) -> None:
    weights, tokenizer = folder / WEIGHTS, folder / "tokenizer" / "tokenizer.json"
    first, second = weights.read_bytes(), tokenizer.read_bytes()
    weights.write_bytes(second)
    tokenizer.write_bytes(first)
    with pytest.raises(DamagedCheckpoint, match=f"{folder.name}: {WEIGHTS} has another size"):
        sidecar.verify(folder)


def test_the_sidecar_of_another_checkpoint_is_refused(folder: Path) -> None:
    other = make_checkpoint(folder.parent.parent, 200)
    shutil.copy(other / SIDECAR, folder / SIDECAR)
    with pytest.raises(DamagedCheckpoint, match=f"{folder.name}: its sidecar belongs to {other.name}"):
        sidecar.verify(folder)


def test_a_missing_sidecar_is_refused(folder: Path) -> None:
    (folder / SIDECAR).unlink()
    with pytest.raises(DamagedCheckpoint, match=rf"{folder.name}: \.ledger\.json is missing"):
        sidecar.verify(folder)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"format_version": 2}', b'{"format_version": 1}'],
    ids=["empty", "torn", "list", "null", "bare", "not utf-8", "deep", "other version", "incomplete"],
)
def test_what_is_no_sidecar_is_refused(folder: Path, data: bytes) -> None:
    (folder / SIDECAR).write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match=rf"{folder.name}: \.ledger\.json cannot be read: "):
        sidecar.verify(folder)


def test_a_sidecar_with_a_strange_key_is_refused(folder: Path) -> None:
    rewrite_sidecar(folder, note="x")
    with pytest.raises(DamagedCheckpoint, match="unknown key 'note'"):
        sidecar.read(folder)


def refusals_of_flips(folder: Path) -> list[str]:
    """What is said to each of `SIDECAR_FLIPS` flipped bits of the sidecar, one at a time; "" for one that passes."""
    path = folder / SIDECAR
    said = []
    for bit in random.Random(11).sample(range(path.stat().st_size * 8), SIDECAR_FLIPS):
        flip_bit(path, bit)
        try:
            sidecar.verify(folder)
            said.append("")
        except DamagedCheckpoint as damage:
            said.append(str(damage))
        flip_bit(path, bit)
    sidecar.verify(folder)
    return said


def test_every_flipped_bit_of_the_sidecar_is_refused_by_name(folder: Path) -> None:
    said = refusals_of_flips(folder)
    assert len(said) == SIDECAR_FLIPS
    assert [text for text in said if not text.startswith(f"{folder.name}: .ledger.json cannot be read: ")] == []


def test_twin_without_the_seal_flipped_bits_go_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "_check_seal", lambda value, source: None)
    assert refusals_of_flips(folder).count("") > SIDECAR_FLIPS // 10


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "without its last line end": lambda data: data[:-1],
    "a space more": lambda data: data.replace(b'"step": ', b'"step":  '),
    "one bit of an exponent": lambda data: data.replace(b"1e-05", b"1E-05"),
    "a number with a zero more": lambda data: data.replace(b'"train_loss": 1.5', b'"train_loss": 1.50'),
    "an escaped letter": lambda data: data.replace(b'"DIO"', b'"\\u0044IO"'),
    "a key twice": lambda data: data.replace(b'"step": 100', b'"step": 99, "step": 100'),
    "another character set": lambda data: data.decode().encode("utf-16"),
}


def respell(tmp_path: Path, spelling: str) -> Path:
    """A checkpoint whose sidecar says the same in other bytes."""
    folder = make_checkpoint(tmp_path, 100, learning_rate=1e-05)
    path = folder / SIDECAR
    data = path.read_bytes()
    path.write_bytes(SPELLINGS[spelling](data))
    assert path.read_bytes() != data
    return folder


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_sidecar_spelt_otherwise_is_refused(tmp_path: Path, spelling: str) -> None:
    folder = respell(tmp_path, spelling)
    with pytest.raises(DamagedCheckpoint, match=r"\.ledger\.json cannot be read: .*its bytes are not as they are"):
        sidecar.verify(folder)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_twin_without_the_check_of_the_bytes_it_goes_through(
    tmp_path: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = respell(tmp_path, spelling)
    monkeypatch.setattr(sidecar, "_check_bytes", lambda data, value, source: None)
    assert sidecar.verify(folder).step == 100


def test_a_sidecar_without_a_seal_is_refused(folder: Path) -> None:
    durable.write_json(folder / SIDECAR, asdict(sidecar.read(folder)))
    with pytest.raises(DamagedCheckpoint, match=r"\.ledger\.json cannot be read: .*key 'seal_sha256' is missing"):
        sidecar.verify(folder)


def test_the_seal_is_the_digest_of_the_other_keys_in_canonical_json(folder: Path) -> None:
    value = json.loads((folder / SIDECAR).read_bytes())
    said = value.pop("seal_sha256")
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert said == hashlib.sha256(canonical.encode()).hexdigest()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    said = a_sidecar(5)
    sidecar.write(tmp_path, said)
    assert sidecar.read(tmp_path) == said
    assert sidecar.parse(sidecar.seal(asdict(said)), source="memory") == said


def test_names() -> None:
    name = canonical_name(175000, datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
    assert name == "checkpoint-175000-20260304-0506"
    assert step_of(name) == 175000
    for foreign in ("checkpoint-1", f".tmp-{name}-ab", f"{name} ", f"x{name}", "checkpoint--1-20260304-0506"):
        assert step_of(foreign) is None


def test_folders_are_ordered_by_step_and_not_by_name(tmp_path: Path) -> None:
    for name in ("checkpoint-9-20260101-0000", "checkpoint-10-20250101-0000", "checkpoint-10-20260101-0000", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-11-20260101-0000").touch()
    assert [path.name for path in checkpoint_folders(tmp_path)] == [
        "checkpoint-10-20260101-0000",
        "checkpoint-10-20250101-0000",
        "checkpoint-9-20260101-0000",
    ]


def test_trouble_that_may_pass_proves_no_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole checkpoint would be set aside for a cable that was loose."""

    def loose(path: Path, *, most_bytes: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sidecar, "read_regular", loose)
    with pytest.raises(OSError, match="Input/output"):
        sidecar.verify(folder)
