"""When a trainer counts as hung, by what it said and when the daemon looked."""

import pytest

from arena.daemon.trainer.liveness import Liveness, Timeouts

PATIENCE = Timeouts(startup_seconds=60, silent_seconds=20, idle_seconds=900)


class Watched:
    """A trainer that says `line` before each look, two seconds apart."""

    def __init__(self) -> None:
        self.now = 100.0
        self.liveness = Liveness(self.now, PATIENCE)

    def look(self, seconds: float, line: str | None = None, *, busy: bool = True, apart: float = 2.0) -> str:
        said = ""
        for _ in range(round(seconds / apart)):
            if line is not None:
                self.liveness.hear(line + "\n")
            self.now += apart
            said = self.liveness.look(self.now, busy=busy)
        return said


def test_a_beating_trainer_never_hangs() -> None:
    assert Watched().look(7200, "beat 0.4") == ""


def test_silence_is_told_after_twenty_seconds_and_not_before() -> None:
    watched = Watched()
    watched.look(10, "beat 0.1")
    assert watched.look(18) == ""
    assert watched.look(2) == "did not answer for 20 s"
    assert watched.look(2, "beat 0.1") == ""


def test_until_its_first_line_it_may_load() -> None:
    watched = Watched()
    assert watched.look(58) == ""
    assert watched.look(2) == "said nothing for 60 s"


def test_one_that_beats_but_gets_on_with_nothing_hangs() -> None:
    watched = Watched()
    assert watched.look(898, "beat 5000") == ""
    assert watched.look(4, "beat 5000") == "got no further for 902 s"


def test_one_that_waits_for_an_order_gets_on_with_nothing_and_does_not_hang() -> None:
    watched = Watched()
    assert watched.look(2000, "beat 2000", busy=False) == ""
    assert watched.look(100, "beat 2100") == "", "what came before the order does not count"


def test_one_that_waits_for_room_does_not_hang() -> None:
    watched = Watched()
    watched.liveness.hear("trouble no room on /data\n")
    assert watched.liveness.trouble == "no room on /data"
    assert watched.look(2000, "beat 2000") == ""
    watched.liveness.hear("trouble\n")
    assert watched.liveness.trouble == ""
    assert watched.look(800, "beat 3000") == ""


def test_time_in_which_nobody_looked_is_no_silence() -> None:
    watched = Watched()
    watched.look(4, "beat 0.1")
    assert watched.look(3600, apart=3600) == "", "the machine slept"
    assert watched.look(20, apart=10) == ""
    assert watched.look(40, apart=10).startswith("did not answer"), "slow looks find it all the same"


@pytest.mark.parametrize("line", ["beat", "beat x", "beat nan", "beat inf", "beat -3", "", "rubbish 900"])
def test_whatever_is_said_shows_that_it_lives(line: str) -> None:
    assert Watched().look(2000, line) == ""


def test_a_beat_alone_rings_no_bell() -> None:
    liveness = Liveness(0.0, PATIENCE)
    assert [liveness.hear(line) for line in ("beat 1.0\n", "event\n", "ready\n", "trouble a\n")] == [
        False,
        True,
        True,
        True,
    ]
