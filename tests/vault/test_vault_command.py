from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from realm.checkpoints.sidecar import SIDECAR
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db


def run_scan() -> str:
    out = StringIO()
    call_command("vault", "scan", stdout=out)
    return out.getvalue()


def test_scan_says_what_was_different(world: World) -> None:
    make_checkpoint(world.heroes, 100)
    assert run_scan() == "added     DIO/checkpoint-100-20260101-1230\n1 checkpoints listed\n"
    assert run_scan() == "1 checkpoints listed\n"
    Checkpoint.objects.update(train_loss=0.0)
    assert run_scan() == "falsified DIO/checkpoint-100-20260101-1230\n1 checkpoints listed\n"


def test_damage_is_printed_and_is_the_exit_status(world: World) -> None:
    (make_checkpoint(world.heroes, 100) / SIDECAR).unlink()
    out = StringIO()
    with pytest.raises(CommandError, match="damaged and therefore not listed: 1"):
        call_command("vault", "scan", stdout=out)
    assert out.getvalue() == (
        "damaged   DIO/checkpoint-100-20260101-1230: .ledger.json is missing\n0 checkpoints listed\n"
    )
