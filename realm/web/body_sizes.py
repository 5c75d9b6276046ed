"""How large the body of a request may be: a view that takes more than a form says so itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.urls import Resolver404, resolve

FORM_BYTES = 2 * 1024**2
FILES_BYTES = 40 * 1024**2
"""Above what Django takes of a form without files."""
_ATTRIBUTE = "largest_body_bytes"

View = TypeVar("View", bound=Callable[..., Any])


def takes_up_to(largest_bytes: int) -> Callable[[View], View]:
    """A decorator of views whose requests may be larger than FORM_BYTES."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, largest_bytes)
        return view

    return mark


def largest_body_bytes(path: str) -> int:
    """By the view that answers at `path`; of a path without one, as of a form."""
    try:
        view = resolve(path).func
    except Resolver404:
        return FORM_BYTES
    return int(getattr(view, _ATTRIBUTE, FORM_BYTES))
