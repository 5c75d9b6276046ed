"""How quests come in where a guard is taken out."""

import pytest

from tests.campaigns.small_forms import check_twin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ("no_lock", "races of 4 processes at the lock that not exactly one won"),
        ("no_twins", "duplicates not in failed/ with their twin's name"),
        ("no_writer_check", "files taken while open"),
        ("only_what_is_told", "20 files whose file events the kernel dropped: a row for each"),
    ],
)
def test_without_a_guard_it_finds_what_is_broken(guard: str, found: str) -> None:
    check_twin(guard, found, "intake_sabotaged")
