"""Pages of other sites at every route of every server, in small; and the list of routes itself."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.campaigns.small_forms import broken, check_promises, run
from tests.support import routes

pytestmark = pytest.mark.slow


def test_the_small_form_keeps_its_promises() -> None:
    check_promises("guard")


def test_without_the_guard_strangers_get_in() -> None:
    _, figures = run("tests.campaigns.safety_sabotaged", "no_guard")
    found = " ".join(broken(figures))
    assert "reached the realm" in found
    assert "answers that a stranger may read" in found
    assert "changes in database and files" in found


def test_a_route_without_a_sample_cannot_go_untried() -> None:
    fresh = Starlette(routes=[Route("/new/{thing}", lambda request: None)])
    with pytest.raises(routes.Unlisted, match=r"new/{thing}: <thing>"):
        routes.of_starlette(fresh)
