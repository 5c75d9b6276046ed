"""An exported checkpoint is an ordinary folder whose logits are the hero's, or there is no folder.

The merge itself, and its own process, are held by tests/arena/hero/test_export.py and the campaign.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from django.core.management import CommandError, call_command
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from arena import embedded
from arena.hero import export as merging
from realm.checkpoints import sidecar
from realm.world import World
from tests.support import oracle_heroes
from vault import index
from vault.errors import Damaged, NotFound, Refused
from vault.ledger import exporting
from vault.ledger.exporting import Exported, export
from vault.models import HistoryEntry

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TOKENS = torch.tensor([[5, 17, 40, 6]])


class InThisProcess:
    """The child that merges, without the seconds that torch takes to load."""

    alive = False

    def __init__(self, command: list[str], *, stdout: IO[bytes], stderr: IO[bytes], **_: Any) -> None:
        self.code = 0
        try:
            made = merging.export(Path(command[-3]), Path(command[-2]))
            stdout.write(json.dumps(asdict(made)).encode() + b"\n")
        except Exception as error:
            self.code = 1
            stderr.write(f"a warning\n{error}\n".encode())

    def reap(self) -> int:
        return self.code


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """With an adapter on the base model."""
    world = oracle_heroes.make_world(tmp_path_factory.mktemp("export"))
    oracle_heroes.add_adapter(world, 300)
    return world


@pytest.fixture
def heroes(made: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    settings.WORLD = made
    monkeypatch.setattr(exporting, "ChildProcess", InThisProcess)
    index.scan(made)
    return made


def name() -> str:
    return oracle_heroes.folder_name(300)


def exported(world: World, out: Path, *, adapter_only: bool = False) -> Exported:
    return export(world, "DIO", name(), out, adapter_only=adapter_only, by="page")


def base(world: World) -> Any:
    return AutoModelForCausalLM.from_pretrained(embedded.folder(world.models))


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(TOKENS).logits
    return found


def check_adapter(world: World, out: Path) -> None:
    exported(world, out, adapter_only=True)
    ours = PeftModel.from_pretrained(base(world), str(world.heroes / "DIO" / name()))
    theirs = PeftModel.from_pretrained(base(world), str(out))
    assert torch.equal(logits(ours), logits(theirs))
    assert not torch.equal(logits(theirs), logits(base(world)))


def test_a_merged_folder_answers_as_the_hero(heroes: World, tmp_path: Path) -> None:
    out = tmp_path / "new" / "merged"
    found = exported(heroes, out)
    assert len({path.stat().st_mode for path in out.iterdir()}) == 1, "who may read one file may read all"
    ours = PeftModel.from_pretrained(base(heroes), str(heroes.heroes / "DIO" / name()))
    plain = AutoModelForCausalLM.from_pretrained(out)
    assert found.tolerance is not None
    assert (logits(ours) - logits(plain)).abs().max().item() <= found.tolerance
    assert AutoTokenizer.from_pretrained(out).chat_template
    assert (out / "generation_config.json").is_file()
    saved = sidecar.read(heroes.heroes / "DIO" / name())
    card = (out / "README.md").read_text()
    for said in (name(), "AutoModelForCausalLM.from_pretrained('merged')", sidecar.answering_digest(saved)):
        assert said in card
    assert sum(path.stat().st_size for path in out.iterdir()) == found.size_bytes
    assert [path.name for path in out.parent.iterdir()] == ["merged"]
    entry = HistoryEntry.objects.get()
    assert (entry.action, entry.details["kind"], entry.details["path"]) == ("export", "merged", str(out))
    exec(compile(found.load, "load", "exec"), {})


def test_an_adapter_alone_is_read_by_peft(heroes: World, tmp_path: Path) -> None:
    check_adapter(heroes, tmp_path / "adapter")
    assert not list((tmp_path / "adapter").glob("optimizer*"))


def test_twin_a_byte_that_changes_on_its_way_is_refused_or_answers_otherwise(
    heroes: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(source: Path, target: Path) -> None:
        data = bytearray(source.read_bytes())
        if source.name == "adapter_model.safetensors":
            data[-1] ^= 64
        target.write_bytes(data)

    monkeypatch.setattr(shutil, "copyfile", spoil)
    with pytest.raises(Damaged, match=r"adapter_model\.safetensors was copied and reads otherwise"):
        check_adapter(heroes, tmp_path / "adapter")
    assert not list(tmp_path.iterdir())
    digests = sidecar.read(heroes.heroes / "DIO" / name()).files
    with monkeypatch.context() as patch:
        patch.setattr(sidecar, "verify", lambda folder: sidecar.read(folder))
        patch.setattr(sidecar, "digest", lambda path: digests[path.name].sha256)
        with pytest.raises(AssertionError):
            check_adapter(heroes, tmp_path / "adapter")


def test_what_cannot_be_exported_is_said_and_leaves_nothing(
    heroes: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    refused = {tmp_path / "full": "exists already", heroes.heroes / "DIO" / "x": "among the heroes' checkpoints"}
    for out, why in refused.items():
        with pytest.raises(Refused, match=why):
            exported(heroes, out)
    with pytest.raises(NotFound):
        export(heroes, "DIO", "../DIO", tmp_path / "out", by="page")
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be written"):
        exported(heroes, tmp_path / "file" / "out")
    monkeypatch.setattr(merging.adapter, "tolerance", lambda expected: -1.0)
    with pytest.raises(Refused, match="is not exported: merging the adapter moves logits"):
        exported(heroes, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
    full = oracle_heroes.add_full(heroes, 100)
    with pytest.raises(Refused, match="holds whole weights and no adapter"):
        export(heroes, "DIO", full.name, tmp_path / "out", adapter_only=True, by="page")
    shutil.rmtree(full)


def test_the_command(heroes: World, tmp_path: Path) -> None:
    out = StringIO()
    call_command("ledger", "export", "300", str(tmp_path / "a"), "--adapter", "--json", stdout=out)
    assert json.loads(out.getvalue())["kind"] == "adapter"
    with pytest.raises(CommandError, match="exists already"):
        call_command("ledger", "export", "300", str(tmp_path / "a"), "--adapter")
