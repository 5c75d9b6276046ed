"""A table of addresses that is read when somebody asks below it, and not before."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import Resolver404, URLResolver, clear_url_caches, get_resolver, path, resolve, reverse

from realm.web.late_urls import LateResolver, late_include
from realm.world import CHECKOUT

LATE = "late_table_of_a_test"
TABLE = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("<slug:name>/curves", lambda request, name: HttpResponse(name), name="curves")]
"""


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / f"{LATE}.py").write_text(TABLE)
    monkeypatch.syspath_prepend(tmp_path)
    table = ModuleType("root_of_a_test")
    table.urlpatterns = [  # type: ignore[attr-defined]
        path("", page, name="home"), late_include("late/", LATE, namespace="late"), path("after", page, name="after"),
    ]  # fmt: skip
    with override_settings(ROOT_URLCONF=table):
        yield
    sys.modules.pop(LATE, None)
    clear_url_caches()


def check_pages_do_without() -> None:
    assert (reverse("home"), reverse("after"), resolve("/after").func) == ("/", "/after", page)
    with pytest.raises(Resolver404):
        resolve("/lat")
    assert LATE not in sys.modules


def test_pages_do_without_the_late_table(root: Any) -> None:
    check_pages_do_without()


def test_twin_an_include_that_says_its_names_is_read_at_once(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LateResolver, "_populate", URLResolver._populate)
    with pytest.raises(AssertionError):
        check_pages_do_without()


def test_the_first_request_below_it_reads_the_table(root: Any) -> None:
    check_pages_do_without()
    match = resolve("/late/dio/curves")
    assert (match.view_name, match.kwargs) == ("late:curves", {"name": "dio"})
    assert reverse("late:curves", args=["dio"]) == "/late/dio/curves"


def test_a_name_of_its_own_reads_the_table(root: Any) -> None:
    assert reverse("late:curves", args=["dio"]) == "/late/dio/curves"
    assert any(LATE in str(one.urlconf_name) for one in get_resolver().url_patterns if isinstance(one, URLResolver))


def test_links_of_pages_to_the_api_are_its_own_addresses() -> None:
    """They stand there in full: `url` would have the first page wait for the API."""
    texts = [file.read_text() for file in (CHECKOUT / "templates").rglob("*.html")]
    assert not [text for text in texts if '{% url "api:' in text]
    linked = {link for text in texts for link in re.findall(r'href="(/api/[^"]+)"', text)}
    assert len(linked) >= 7
    for link in linked:
        assert resolve(re.sub(r"{{.*?}}", "newest", link)).url_name != "no_such"
