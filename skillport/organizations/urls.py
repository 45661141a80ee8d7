"""The home page, and what is below `/<organization>/settings/` about the organization itself."""

from django.urls import path

from skillport.organizations.pages import (
    admission,
    connections,
    danger,
    domains,
    general,
    groups,
    home,
    invitations,
    members,
    navigation,
    requests,
    sign_in,
)

_SETTINGS = "<org:organization>/settings/"
_GROUP = f"{_SETTINGS}groups/<uuid:group_id>/"
_INVITATION = f"{_SETTINGS}invitations/<uuid:invitation_id>/"
_DOMAIN = f"{_SETTINGS}sign-in/domains/<uuid:domain_id>/"
_CONNECTION = f"{_SETTINGS}sign-in/<uuid:connection_id>/"

urlpatterns = [
    path("", home.home, name="home"),
    path(_SETTINGS, navigation.settings_index, name="settings"),
    path(f"{_SETTINGS}members/", members.members, name="members"),
    path(f"{_SETTINGS}members/<uuid:membership_id>/", members.member, name="member"),
    path(f"{_SETTINGS}members/<uuid:membership_id>/remove/", members.remove, name="member-remove"),
    path(f"{_SETTINGS}groups/", groups.groups, name="groups"),
    path(f"{_SETTINGS}groups/new/", groups.new, name="group-new"),
    path(_GROUP, groups.group, name="group"),
    path(f"{_GROUP}rename/", groups.rename, name="group-rename"),
    path(f"{_GROUP}delete/", groups.delete, name="group-delete"),
    path(f"{_GROUP}members/<uuid:membership_id>/remove/", groups.take_out, name="group-take-out"),
    path(f"{_SETTINGS}invitations/", invitations.invitations, name="invitations"),
    path(f"{_SETTINGS}invitations/new/", invitations.invite, name="invite"),
    path(f"{_INVITATION}resend/", invitations.resend, name="invitation-resend"),
    path(f"{_INVITATION}revoke/", invitations.revoke, name="invitation-revoke"),
    path(f"{_SETTINGS}requests/", requests.join_requests, name="requests"),
    path(f"{_SETTINGS}requests/<uuid:request_id>/", requests.join_request, name="request"),
    path(f"{_SETTINGS}requests/<uuid:request_id>/refuse/", requests.refuse, name="request-refuse"),
    path(f"{_SETTINGS}sign-in/", sign_in.sign_in, name="sign-in-settings"),
    path(f"{_SETTINGS}sign-in/local-accounts/", sign_in.local_accounts, name="local-accounts"),
    path(f"{_SETTINGS}sign-in/add/<slug:kind>/", connections.add, name="connection-add"),
    path(f"{_SETTINGS}sign-in/domains/", domains.domains, name="domains"),
    path(f"{_SETTINGS}sign-in/domains/add/", domains.claim, name="domain-add"),
    path(_DOMAIN, domains.domain, name="domain"),
    path(f"{_DOMAIN}verify/", domains.verify, name="domain-verify"),
    path(f"{_DOMAIN}release/", domains.release, name="domain-release"),
    path(_CONNECTION, connections.connection, name="connection"),
    path(f"{_CONNECTION}edit/", connections.edit, name="connection-edit"),
    path(f"{_CONNECTION}check/", connections.check, name="connection-check"),
    path(f"{_CONNECTION}enable/", connections.enable, name="connection-enable"),
    path(f"{_CONNECTION}delete/", connections.delete, name="connection-delete"),
    path(f"{_CONNECTION}rules/add/", admission.add, name="rule-add"),
    path(f"{_CONNECTION}rules/<uuid:rule_id>/delete/", admission.delete, name="rule-delete"),
    path(f"{_SETTINGS}general/", general.general, name="general"),
    path(f"{_SETTINGS}danger/", danger.danger, name="danger"),
    path(f"{_SETTINGS}danger/leave/", danger.leave, name="leave"),
    path(f"{_SETTINGS}danger/delete/", danger.close, name="close"),
    path(f"{_SETTINGS}danger/keep/", danger.keep, name="keep"),
]
