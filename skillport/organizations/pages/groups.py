"""Groups: who is in them, and who decides that."""

from functools import partial
from typing import Any, Final
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, settings_address, show_settings
from skillport.organizations.pages.posting import ask_once, done, press, refusals_in
from skillport.organizations.pages.roles import explained
from skillport.organizations.services.groups import (
    LONGEST_CLAIM,
    LONGEST_NAME,
    GroupFed,
    GroupWithMembers,
    add_to_group,
    create_fed_group,
    create_group,
    delete_group,
    get_group,
    list_feeders,
    list_groups,
    remove_from_group,
    rename_group,
)
from skillport.organizations.services.members import list_members
from skillport.permissions import ALLOWED, Permission, require
from skillport.principal import Principal

_BY_HAND: Final = "hand"


class NameForm(forms.Form):
    name = forms.CharField(max_length=LONGEST_NAME)


class GroupForm(NameForm):
    """A new group. With a provider that says groups, there is a choice of who fills it."""

    def __init__(self, feeders: list[tuple[UUID, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not feeders:
            return
        by_hand = (_BY_HAND, explained("Filled by hand", "You put members in and take them out."))
        says = "People for whom it says the group, from their next sign-in on."
        self.fields["source"] = forms.ChoiceField(
            label="Who is in it",
            widget=forms.RadioSelect,
            initial=_BY_HAND,
            choices=[by_hand, *((str(pk), explained(f"Filled by {name}", says)) for pk, name in feeders)],
        )
        self.fields["claim_value"] = forms.CharField(
            label="What the provider calls the group",
            required=False,
            max_length=LONGEST_CLAIM,
            help_text="Exactly as there: in Entra the object id of the group, or the value of the application role.",
        )


class AddForm(forms.Form):
    """Put one more member into a group."""

    def __init__(self, people: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["membership_id"] = forms.TypedChoiceField(
            label="Member", choices=[("", "Choose a member"), *people], coerce=UUID
        )


@member_page
@require_safe
def groups(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = list_groups(principal=principal)
    return show_settings(
        request, principal, "organizations/groups.html", at="groups/", heading="Groups", groups=found
    )


@member_page
@needs(Permission.MEMBERS_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, principal: Principal) -> HttpResponse:
    form = GroupForm(list_feeders(principal=principal), request.POST or None)
    if form.is_valid():
        with refusals_in(form):
            name, source = form.cleaned_data["name"], form.cleaned_data.get("source", _BY_HAND)
            if source == _BY_HAND:
                made = create_group(principal=principal, name=name)
            else:
                claim_value = form.cleaned_data["claim_value"]
                made = create_fed_group(
                    principal=principal, connection_id=UUID(source), claim_value=claim_value, name=name
                )
            return done(request, f"The group {made.name} is there.", address_of(principal, "group", made.id))
    return show_settings(
        request, principal, "settings_form.html", at="groups/", heading="Create a group", form=form,
        button="Create group",
    )  # fmt: skip


@member_page
@require_http_methods(["GET", "HEAD", "POST"])
def group(request: HttpRequest, principal: Principal, group_id: UUID) -> HttpResponse:
    """Show who is in a group; the form puts one more member in."""
    found = get_group(principal=principal, group_id=group_id)
    if request.method == "POST":
        require(principal, Permission.MEMBERS_MANAGE)
        if found.source is not None:
            raise GroupFed
    form = _add_form(request, principal, found)
    if form is not None and form.is_valid():
        with refusals_in(form):
            membership_id = form.cleaned_data["membership_id"]
            add_to_group(principal=principal, group_id=group_id, membership_id=membership_id)
            return done(request, f"They are in {found.name} from now on.", request.path)
    return show_settings(
        request,
        principal,
        "organizations/group.html",
        at="groups/",
        heading=found.name,
        group=found,
        form=form,
    )


@member_page
@require_POST
def take_out(request: HttpRequest, principal: Principal, group_id: UUID, membership_id: UUID) -> HttpResponse:
    act = partial(remove_from_group, principal=principal, group_id=group_id, membership_id=membership_id)
    said = "They are not in this group any more."
    return press(request, act, said=said, to=address_of(principal, "group", group_id))


@member_page
@needs(Permission.MEMBERS_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: HttpRequest, principal: Principal, group_id: UUID) -> HttpResponse:
    found = get_group(principal=principal, group_id=group_id)
    form = NameForm(request.POST or None, initial={"name": found.name})
    if form.is_valid():
        with refusals_in(form, "name"):
            rename_group(principal=principal, group_id=group_id, name=form.cleaned_data["name"])
            return done(
                request,
                "The group has its new name; its rules and members stay.",
                address_of(principal, "group", group_id),
            )
    return show_settings(
        request, principal, "settings_form.html", at="groups/", heading=f"Rename {found.name}",
        form=form, button="Rename group", back=address_of(principal, "group", group_id),
    )  # fmt: skip


@member_page
@needs(Permission.MEMBERS_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, principal: Principal, group_id: UUID) -> HttpResponse:
    """Ask once, then delete it."""
    found = get_group(principal=principal, group_id=group_id)
    act = partial(delete_group, principal=principal, group_id=group_id)
    return ask_once(
        request, principal, "organizations/group_delete.html", act, at="groups/", button=f"Delete {found.name}",
        said=f"The group {found.name} is deleted.", to=settings_address(principal, "groups/"),
        back=address_of(principal, "group", group_id), group=found,
    )  # fmt: skip


def _add_form(request: HttpRequest, principal: Principal, found: GroupWithMembers) -> AddForm | None:
    """Give the form for whoever may use it, with those who are not inside yet."""
    if found.source is not None or Permission.MEMBERS_MANAGE not in ALLOWED[principal.role]:
        return None
    inside = {person.membership_id for person in found.members}
    others = [one for one in list_members(principal=principal) if one.id not in inside]
    people = [
        (str(one.id), f"{one.name} ({one.email})" if one.name and one.email else one.called) for one in others
    ]
    return AddForm(people, request.POST or None)
