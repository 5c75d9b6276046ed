"""A row of every model for each of its texts, with a payload in that one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

from django.apps import apps
from django.db import models, transaction

from realm.world import World
from tests.support.routes import UUID
from tests.support.xss_payloads import PAYLOADS

APPS = ("arena", "guild", "vault", "tavern", "sentinels", "watchtower")
_PLAIN = {
    "hero": "DIO", "skill": "binary", "sha256": "a" * 64, "file": "normal/quest.jsonl", "data_format": "messages",
    "priority": "normal", "branch": "main", "checkpoint": "checkpoint-100-20260101-1230", "kind": "fault",
    "battle_id": "1", "zone_id": "3090", "stronghold": "local",
}  # fmt: skip
_FREE = ("message", "reason", "text", "name", "title", "trouble")
"""What people and programs write as they like: of these every payload has a row."""


def write_all(world: World) -> int:
    """The number of rows."""
    payloads, written = cycle(PAYLOADS), 0
    for model in _models():
        for field in _texts(model):
            for payload in PAYLOADS if field.name in _FREE else [next(payloads)]:
                written += _write(model, field, payload, written)
    _write_log(world)
    (world.home / "hosts.yaml").write_text(json.dumps({"box": {"name": PAYLOADS[5][:80], "host": "192.0.2.30"}}))
    return written


def _models() -> Iterator[type[models.Model]]:
    """Those that others point to first."""
    found = [model for name in APPS if apps.is_installed(name) for model in apps.get_app_config(name).get_models()]
    return iter(sorted(found, key=lambda model: len([field for field in model._meta.fields if field.is_relation])))


def _texts(model: type[models.Model]) -> list[Any]:
    kinds = (models.CharField, models.TextField, models.JSONField)
    return [field for field in model._meta.fields if isinstance(field, kinds) and not field.choices]


def _write(model: type[models.Model], poisoned: Any, payload: str, number: int) -> int:
    """How many rows: none where the database takes no such row."""
    values = {field.attname: _plain(field, number) for field in model._meta.fields if not field.primary_key}
    values = {name: value for name, value in values.items() if value is not None}
    is_json = isinstance(poisoned, models.JSONField)
    values[poisoned.attname] = {"message": payload, payload: payload} if is_json else payload[: poisoned.max_length]
    key = model._meta.pk
    if isinstance(key, models.UUIDField) and not model._default_manager.exists():
        values[key.attname] = UUID
    try:
        with transaction.atomic():
            model(**values).save(force_insert=True)
    except Exception:  # of a proxy, of a constraint: another field's turn
        return 0
    return 1


def _plain(field: Any, number: int) -> Any:
    """What stands there in an ordinary row; None: its default."""
    if isinstance(field, models.ForeignKey | models.OneToOneField):
        related = field.related_model._default_manager
        return getattr(related.order_by("-pk").first(), "pk", None)
    if field.choices:
        choices = [value for value, _ in field.flatchoices]
        return choices[number % len(choices)]
    if field.name in _PLAIN:
        return _PLAIN[field.name] if not field.unique else f"{_PLAIN[field.name]}{number}"
    if isinstance(field, models.DateTimeField):
        return datetime.now(UTC)
    if isinstance(field, models.JSONField):
        return None
    if isinstance(field, models.FloatField):
        return 0.5
    if isinstance(field, models.IntegerField):
        return number if field.name in ("seq", "source_seq", "step") else 1
    if isinstance(field, models.CharField | models.TextField):
        return f"plain{number}" if field.unique else None
    return None


def _write_log(world: World) -> None:
    folder = world.logs / "arena"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat()
    lines = [
        {"time": now, "level": "ERROR", "logger": payload, "event": payload, "message": payload, payload: payload}
        for payload in PAYLOADS
    ]
    (folder / "arena.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
