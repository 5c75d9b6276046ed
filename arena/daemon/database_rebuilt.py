"""What the chronicle says of a database that was made anew."""

from __future__ import annotations

from arena import chronicle
from arena.models import ChronicleEntry
from realm.databases import database
from realm.world import World

KIND = "database_rebuilt"


def tell_of_new(world: World) -> None:
    """Once, before recovery fills the database of a world that has a past and whose chronicle knows nothing of it."""
    if ChronicleEntry.objects.exists() or not any(world.battles.iterdir()):
        return
    aside = database.newest_aside(world)
    why = f"was damaged and lies aside as {aside.name}" if aside else "was gone"
    chronicle.say(KIND, f"The database {why}; quests, battles and checkpoints are filled in again from the files")
