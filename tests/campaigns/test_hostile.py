"""Hostile files in the inbox of a live arena, in small."""

import pytest

from tests.campaigns.small_forms import check_promises, check_twin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_small_form_keeps_its_promises() -> None:
    check_promises("hostile")


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ("no_strict_json", "bad files let through"),
    ],
)
def test_without_a_guard_it_finds_what_is_broken(guard: str, found: str) -> None:
    check_twin(guard, found, "intake_sabotaged")
