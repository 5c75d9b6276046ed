"""Hundreds who watch, in small."""

import pytest

from tests.campaigns.small_forms import check_promises

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_small_form_keeps_its_promises() -> None:
    check_promises("load")
