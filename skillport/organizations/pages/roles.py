"""Roles as people choose them: each with what it may do."""

from collections.abc import Iterable
from typing import Final

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from skillport.permissions import reaches
from skillport.principal import Principal, Role

MEANING: Final = {
    Role.OWNER: "Everything an administrator may, and: choose owners, change how people sign in, delete the organization.",
    Role.ADMIN: "Decides who belongs here and who sees what, connects marketplaces, reads the audit log.",
    Role.EDITOR: "Uses skills, and proposes and publishes them.",
    Role.MEMBER: "Uses the skills that the access rules allow. Sees nobody else.",
    Role.AUDITOR: "Uses skills, sees who belongs here, and reads the audit log and usage. Changes nothing.",
}
_NAMES: Final = {Role.ADMIN: "Administrator"}


def role_name(role: Role) -> str:
    """Give a role as people read it."""
    return _NAMES.get(role, role.value.capitalize())


def roles_in_reach_of(principal: Principal) -> list[Role]:
    """Give the roles that the caller may give and take."""
    return [role for role in Role if reaches(principal.role, role)]


def explained(name: str, meaning: str) -> SafeString:
    """Give the label of one choice: its name, and what choosing it means."""
    return format_html("<b>{}</b><small>{}</small>", name, meaning)


class RoleField(forms.TypedChoiceField):
    """A choice between roles, each with what it may do."""

    def __init__(self, *, roles: Iterable[Role], label: str = "Role") -> None:
        choices = [(role.value, explained(role_name(role), MEANING[role])) for role in roles]
        super().__init__(choices=choices, coerce=Role, label=label, widget=forms.RadioSelect)
