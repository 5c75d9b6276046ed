"""Numbers, icons and bars in templates."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from arena.models import Quest
from tavern import formatting

register = template.Library()
for _format in (
    formatting.whole, formatting.compact, formatting.brief, formatting.loss, formatting.scientific, formatting.rate,
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


SPRITE = "vendor/game-icons/sprite.svg"


@register.simple_tag
def sprite() -> str:
    return static(SPRITE)


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decoration: the text beside it says the same."""
    return format_html(
        '<svg class="icon" viewBox="0 0 512 512" aria-hidden="true"><use href="{}#gi-{}"/></svg>', static(SPRITE), name
    )


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
