"""What the chronicle says of a world that came back from a snapshot."""

from __future__ import annotations

from arena import chronicle
from arena.models import ChronicleEntry
from realm.world import World
from vault.archivist import restoring

KIND = "world_restored"


def tell_once(world: World) -> None:
    """At the first start after it was restored."""
    origin = restoring.read_origin(world)
    if origin is None or ChronicleEntry.objects.filter(kind=KIND, data__restored_at=origin.restored_at).exists():
        return
    chronicle.say(
        KIND,
        f"This world came back from the snapshot {origin.snapshot} of {origin.world}; it goes on from there",
        snapshot=origin.snapshot,
        taken_at=origin.taken_at,
        restored_at=origin.restored_at,
    )
