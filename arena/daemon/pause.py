"""Whether the arena rests, at the player's wish or by itself; remembered on disk, so that it outlives the daemon."""

from __future__ import annotations

from arena import status as arena_status
from arena.orders import Wish
from realm.world import World


class Pause:
    def __init__(self, world: World) -> None:
        self._world = world
        self._owed: dict[str, str] = {}
        """The rest that the arena is to begin as soon as that can be written."""
        self.trouble = ""
        """What the arena began to rest for by itself; empty once a battle goes on or the player has decided."""

    @property
    def active(self) -> bool:
        return bool(self._owed or self._remembered)

    @property
    def reason(self) -> str:
        """Why the arena rests by itself, as it is remembered; empty where it does not, or the player asked."""
        return self._remembered.get("reason", "")

    @property
    def is_retreat(self) -> bool:
        """Whether the player asked to end the battle and rest."""
        return self._remembered.get("asked") == Wish.STOP

    @property
    def is_own(self) -> bool:
        """Whether the arena rests for what it found itself, and not because the player asked."""
        return self._remembered.get("asked") == "trouble"

    @property
    def question(self) -> str:
        """What the player says yes to by resuming; empty where nothing is asked."""
        return self._remembered.get("question", "")

    @property
    def settings(self) -> str:
        """Digest of the settings that the arena rests for; empty where they are not to blame."""
        return self._remembered.get("settings", "")

    @property
    def battle(self) -> str:
        """The one battle that rests, so that the arena goes on once that is over; empty where the arena rests."""
        return self._remembered.get("battle", "")

    def begin(self, wish: Wish, *, by: str = "", battle: str = "") -> None:
        """As the player wishes, of the arena or of one battle. A rest of the arena stays one.

        `by` is the page, command or client that gave the order.
        """
        if battle and self.active and not self.battle:
            return
        arena_status.rest(
            self._world, asked=wish, **({"by": by} if by else {}), **({"battle": battle} if battle else {})
        )

    def begin_for(self, trouble: str, *, settings: str = "", question: str = "") -> None:
        """Every quest would meet this trouble: wait for the player instead of failing them one by one.

        `settings` and `question` as the properties have them. In memory only; `settle` writes it.
        """
        self.trouble = trouble
        facts = {"settings": settings, "question": question}
        self._owed = {"reason": trouble} | {name: text for name, text in facts.items() if text}

    def settle(self) -> bool:
        """Write down the rest that is owed; whether one was."""
        if not self._owed:
            return False
        arena_status.rest(self._world, asked="trouble", **self._owed)
        self._owed = {}
        return True

    def forgive(self) -> None:
        """What the arena rests for was the trouble of a battle that has ended: it rests on without a reason."""
        self.trouble = ""
        if self.reason:
            arena_status.rest(self._world, asked=Wish.PAUSE)

    def end(self) -> None:
        arena_status.end_rest(self._world)
        self.trouble, self._owed = "", {}

    @property
    def _remembered(self) -> dict[str, str]:
        return arena_status.read_rest(self._world)
