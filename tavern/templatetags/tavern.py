"""Numbers, icons and bars in templates."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.db import DatabaseError
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from arena.models import Quest
from tavern import acts, formatting
from tavern.acts import ACTS
from tavern.away.visitors import LONG_AWAY, gap_of, visitor_of
from tavern.bell.news import unread_count
from tavern.keys import SECTIONS
from tavern.live_settings import read_settings
from tavern.places import rail_of
from tavern.presentation import kept, notation

register = template.Library()
for _format in (
    notation.whole, formatting.compact, formatting.brief, formatting.loss, formatting.scientific, formatting.rate,
    formatting.percent, formatting.hundredfold, formatting.duration, formatting.size,
):  # fmt: skip
    register.filter(_format.__name__, _format)


@register.filter
def age(moment: datetime) -> str:
    """`4m 12s`: how long ago. The page's script keeps it true."""
    return formatting.duration((timezone.now() - moment).total_seconds())


@register.filter
def share(fraction: float) -> str:
    """`96%`: of a few problems, where a decimal would say more than was measured."""
    return f"{int(fraction * 100 + 1e-9)}%"


@register.filter
def points(difference: float) -> str:
    """`+12.0`, `-3.1`: percentage points between two shares."""
    return f"{difference * 100:+.1f}"


@register.filter
def state_of(quest: Quest) -> str:
    """The word for its state that the board has too."""
    return "On hold" if quest.state == Quest.State.INSPECTED else quest.get_state_display()


@register.inclusion_tag("tavern/frame/rail.html", takes_context=True)
def rail(context: dict[str, Any]) -> dict[str, Any]:
    """The links to all places, as they stand on the page of this request."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    shows_all = read_settings(settings.WORLD)[0].show_all_places
    return {"rail": rail_of((match and match.url_name) or "", shows_all=shows_all), "request": request}


@register.inclusion_tag("tavern/frame/keys_dialog.html")
def keys_dialog() -> dict[str, Any]:
    return {"sections": SECTIONS}


@register.filter
def with_code(text: str) -> SafeString:
    """What stands between backticks, as code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in parts)
    )


@register.inclusion_tag("tavern/frame/curl.html", takes_context=True)
def curl(context: dict[str, Any], name: str, **given: Any) -> dict[str, Any]:
    """The line by which a program does what the form around it does; `given` is what no field of the form says."""
    request, act = context.get("request"), ACTS[name]
    origin = request.build_absolute_uri("/").rstrip("/") if request else ""
    head, body = acts.curl(act, origin, given, with_token=bool(getattr(request, "logged_in", None)))
    return {"head": head, "body": body, "fields": json.dumps(dict(act.fields))}


SPRITE = "vendor/game-icons/sprite.svg"


@register.simple_tag
def sprite() -> str:
    return static(SPRITE)


@register.simple_tag(takes_context=True)
def html_attributes(context: template.Context) -> SafeString:
    """The `data-…` of `<html>` by which sheets and scripts know what the player chose, from the first moment on."""
    found = kept.of(context.get("request")).attributes()
    return format_html_join(" ", 'data-{}="{}"', sorted(found.items()))


@register.simple_tag(takes_context=True)
def frame_colour(context: template.Context) -> str:
    """Of the browser's own frame around the page."""
    return kept.of(context.get("request")).colour


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decoration: the text beside it says the same."""
    return format_html(
        '<svg class="icon" viewBox="0 0 512 512" aria-hidden="true"><use href="{}#gi-{}"/></svg>', static(SPRITE), name
    )


@register.simple_tag(takes_context=True)
def visitor(context: template.Context) -> dict[str, Any]:
    """How long nobody looked, where that is worth a report, and the count of unread notices.

    Of a database that does not answer nothing is known: the page comes nevertheless.
    """
    request = context.get("request")
    if request is None:
        return {}
    try:
        known = visitor_of(request)
        gap = gap_of(known)
        told = {"away": gap, "since": known.seen_at.timestamp()} if known and gap >= LONG_AWAY else {}
        return told | {"unread": unread_count(known)}
    except DatabaseError:
        return {}


@register.simple_tag
def banner(icon_name: str, color: str) -> SafeString:
    """A knight's banner with a skill's sign and colour; an attribute has the colour, for the CSP forbids styles."""
    return format_html(
        '<span class="standard" aria-hidden="true"><svg viewBox="0 0 64 78" color="{color}">'
        '<path d="M2 0h60v6H2zM6 6h52v70L32 58 6 76z"/></svg><svg class="sign" viewBox="0 0 512 512">'
        '<use href="{sprite}#gi-{icon}"/></svg></span>',
        color=color,
        sprite=static(SPRITE),
        icon=icon_name,
    )


@register.simple_tag
def bar(live: str, fraction: float | None, label: str) -> SafeString:
    """A progress bar that is right before any script runs and needs no inline style, which the CSP forbids."""
    known = min(1.0, max(0.0, fraction or 0.0))
    return format_html(
        '<span class="bar bar-{live}" data-bar="{live}" role="progressbar" aria-label="{label}" aria-valuemin="0"'
        ' aria-valuemax="100" aria-valuenow="{percent}">'
        '<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="1" height="1" transform="scale({scale} 1)"/></svg></span>',
        live=live,
        label=label,
        percent=int(known * 100),
        scale=f"{known:.4f}",
    )
