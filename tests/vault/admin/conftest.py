from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from realm.world import World
from vault.assets.ids import checkpoint_id
from vault.models import Asset, Checkpoint, Location

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def admin_of(db: None) -> Callable[..., Client]:
    """A browser of someone who is let in, with these permissions or, without any named, all of them."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create(username="someone", is_staff=True, is_superuser=not codenames)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="vault"))
        client = Client(headers={"host": "localhost"})
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def checkpoints(db: None, world: World) -> list[Checkpoint]:
    """Four, with steps 100 to 400, whose rows alone exist; each has a copy on the NAS."""
    rows = [_row(step) for step in (100, 200, 300, 400)]
    for row in rows:
        asset = Asset.objects.create(
            asset_id=checkpoint_id(row.hero, row.name), kind="checkpoint", name=row.name, hero=row.hero, step=row.step,
            size_bytes=row.size_bytes, created_at=NOON,
        )  # fmt: skip
        Location.objects.create(
            asset=asset, stronghold="nas", path=row.name, size_bytes=row.size_bytes, seen_at=NOON, verified_at=NOON
        )
    return rows


def _row(step: int) -> Checkpoint:
    return Checkpoint.objects.create(
        name=f"checkpoint-{step}-20260101-1200", hero="DIO", step=step, created_at=NOON, train_loss=1.5,
        learning_rate=1e-3, epoch=1, skill="bin" if step < 400 else "sy", level=step // 100, quest="bin-1.jsonl",
        battle="battle-1", size_bytes=1_000_000, protected=step == 100, sidecar_sha256="0" * 64,
    )  # fmt: skip


class Called:
    """Stands in for a function of the vault and keeps how it was called."""

    def __init__(self, answer: Any = None) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._answer = answer

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls.append((args, options))
        return self._answer(*args, **options) if callable(self._answer) else self._answer


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the actions call, all of it standing in."""
    made = {
        "vault.admin.checkpoint_acts.marks": {"protect": Called(), "unprotect": Called()},
        "vault.admin.checkpoint_acts.champion": {
            "promote": Called(SimpleNamespace(message="Pinned.")),
            "unpin": Called(),
        },
        "vault.admin.checkpoint_acts.safety": {
            "reasons_to_keep": Called({"checkpoint-400-20260101-1200": ("newest",)})
        },
        "vault.admin.checkpoint_acts.trash": {"delete": Called()},
        "vault.admin.jobs.queue": {"add": Called()},
        "vault.admin.transfers.queue": {"cancel": Called()},
    }
    for module, functions in made.items():
        monkeypatch.setattr(module, SimpleNamespace(**functions))
    return SimpleNamespace(**{name: one for functions in made.values() for name, one in functions.items()})
