"""What pages do with what a person sends: carry it out, or say on the same page why not."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from skillport.errors import SkillportError
from skillport.organizations.pages.navigation import show_settings
from skillport.principal import Principal

# What a person can mend or repeat here. Everything else (not there, not allowed, confirm first) is a page of its own.
_SHOWN = frozenset({400, 409, 422, 502})
# A pause that somebody else's server asks for is told in the form as well; our own troubles are not.
_SHOWN_CODES = frozenset({"git_host_rate_limited"})


class _Refusals:
    """Ends a block quietly when a service refused, after telling why; what comes after the block shows it."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, SkillportError):
            return False
        if error.status not in _SHOWN and error.code not in _SHOWN_CODES:
            return False
        self._tell(error.message)
        return True


def refusals_in(form: Form, field: str | None = None) -> _Refusals:
    """Let the form say why it was refused."""
    return _Refusals(partial(form.add_error, field))


def refusals_told(request: HttpRequest) -> _Refusals:
    """Let the page that is shown next say why it was refused."""
    return _Refusals(partial(messages.error, request))


def done(request: HttpRequest, said: str, to: str) -> HttpResponse:
    """Say on the page `to` what happened."""
    messages.success(request, said)
    return HttpResponseRedirect(to)


def press(
    request: HttpRequest, act: Callable[[], object], *, said: str, to: str, back: str | None = None
) -> HttpResponse:
    """Do what a button without fields asks for, and say on the page `to` what happened, or on `back` why not."""
    with refusals_told(request):
        act()
        return done(request, said, to)
    return HttpResponseRedirect(back or to)


def ask_once(
    request: HttpRequest, principal: Principal, template: str, act: Callable[[], object], *,
    button: str, said: str, to: str, back: str, **shown: Any,
) -> HttpResponse:  # fmt: skip
    """Ask on a page of its own whether to do what `button` says, with `back` as the way out; the answer does it.

    `shown` is for `show_settings`: which page of the navigation it is `at`, and what the template needs.
    """
    if request.method == "POST":
        return press(request, act, said=said, to=to, back=back)
    told = {"heading": f"{button}?", "button": button, "back": back}
    return show_settings(request, principal, template, **told, **shown)
