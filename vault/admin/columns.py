"""What columns of several lists show: sizes, ages, addresses."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.timesince import timesince
from rich.filesize import decimal

NOTHING = "--"


def size(size_bytes: int | None) -> str:
    """`1.2 GB`."""
    return NOTHING if size_bytes is None else decimal(size_bytes)


def age(moment: datetime | None) -> str:
    """`3 hours`, with the moment itself beside the pointer."""
    if moment is None:
        return NOTHING
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>', f"{moment:%Y-%m-%dT%H:%M:%SZ}", timesince(moment, depth=1)
    )


def when_verified(moment: datetime | None) -> str:
    return "never" if moment is None else format_html("{} ago", age(moment))


def page_of(hero: str, name: str) -> str:
    """The checkpoint's page in the Tavern."""
    return format_html(
        '<a href="/vault/{}/{}">Page<span class="visually-hidden"> of {}</span></a>', quote(hero), quote(name), name
    )


def rows_of(model: str, text: str, *, search: str) -> str:
    """A link to the rows of another list that a search finds."""
    address = reverse(f"admin:vault_{model}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, urlencode({"q": search}), text)
