"""What templates of every part use: icons, times as people read them, initials."""

from datetime import datetime, timedelta

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one of `icons.svg`; words beside it say what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("skillport/icons.svg"),
        name,
    )


@register.simple_tag
def ago(moment: datetime) -> SafeString:
    """Tell how long ago a moment was, or how far ahead it is; the exact time is in the title."""
    exact = f"{moment.astimezone(timezone.get_current_timezone()):%d %B %Y, %H:%M %Z}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, _relative(moment)
    )


def _relative(moment: datetime) -> str:
    now = timezone.now()
    if moment > now:  # "in 7 days" also for the minute after it was seven days
        return f"in {timeuntil(moment + timedelta(minutes=1), now, depth=1)}"
    return f"{timesince(moment, now, depth=1)} ago" if (now - moment).total_seconds() >= 60 else "just now"


@register.filter
def initials(name: str) -> str:
    """Give at most two letters for a person or an organization."""
    words = name.replace("@", " ").split()
    return "".join(word[0] for word in words[:2]).upper() or "?"
