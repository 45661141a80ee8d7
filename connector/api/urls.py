"""The addresses of the REST API below an organization's slug."""

from django.urls import path

from connector.api.connections import (
    CheckConnection,
    ConnectionById,
    Connections,
    RuleById,
    RulesOfConnection,
)
from connector.api.domains import DomainById, Domains, VerifyDomain
from connector.api.external_sources import (
    CredentialOfExternalSources,
    CredentialsOfExternalSources,
    ExternalSourcesOfMarketplace,
    HostsOfExternalSources,
)
from connector.api.groups import GroupById, Groups, MemberOfGroup
from connector.api.invitations import InvitationById, Invitations, ResendInvitation
from connector.api.join_requests import ApproveJoinRequest, JoinRequests, RefuseJoinRequest
from connector.api.marketplace_settings import (
    DeletionOfMarketplace,
    PauseOfMarketplace,
    PinOfMarketplace,
)
from connector.api.marketplaces import (
    CheckRepository,
    CredentialOfMarketplace,
    MarketplaceById,
    Marketplaces,
    MoveOfMarketplace,
    SyncById,
    SyncsOfMarketplace,
)
from connector.api.members import MemberById, Members
from connector.api.schema import Schema
from connector.api.snapshots import ChangesBetweenSnapshots, SnapshotsOfMarketplace
from connector.api.storage import Storage
from connector.api.views import CheckUpdates, SkillByName, Skills
from connector.api.webhooks import RegistrationOfWebhook, SecretOfWebhook, WebhookOfMarketplace

urlpatterns = [
    path("schema", Schema.as_view()),
    path("check-updates", CheckUpdates.as_view()),
    path("skills", Skills.as_view()),
    path("skills/<path:name>", SkillByName.as_view()),
    path("marketplaces", Marketplaces.as_view()),
    path("marketplaces/check", CheckRepository.as_view()),
    path("marketplaces/<uuid:marketplace_id>", MarketplaceById.as_view()),
    path("marketplaces/<uuid:marketplace_id>/credential", CredentialOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/pin", PinOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/pause", PauseOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/deletion", DeletionOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/move", MoveOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/webhook", WebhookOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/webhook/registration", RegistrationOfWebhook.as_view()),
    path("marketplaces/<uuid:marketplace_id>/webhook/secret", SecretOfWebhook.as_view()),
    path("marketplaces/<uuid:marketplace_id>/external", ExternalSourcesOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/external/hosts", HostsOfExternalSources.as_view()),
    path("marketplaces/<uuid:marketplace_id>/external/credentials", CredentialsOfExternalSources.as_view()),
    path(
        "marketplaces/<uuid:marketplace_id>/external/credentials/<uuid:credential_id>",
        CredentialOfExternalSources.as_view(),
    ),
    path("marketplaces/<uuid:marketplace_id>/syncs", SyncsOfMarketplace.as_view()),
    path("marketplaces/<uuid:marketplace_id>/syncs/<int:sync_run_id>", SyncById.as_view()),
    path("marketplaces/<uuid:marketplace_id>/snapshots", SnapshotsOfMarketplace.as_view()),
    path(
        "marketplaces/<uuid:marketplace_id>/snapshots/<int:older>/to/<int:newer>",
        ChangesBetweenSnapshots.as_view(),
    ),
    path("storage", Storage.as_view()),
    path("members", Members.as_view()),
    path("members/<uuid:membership_id>", MemberById.as_view()),
    path("groups", Groups.as_view()),
    path("groups/<uuid:group_id>", GroupById.as_view()),
    path("groups/<uuid:group_id>/members/<uuid:membership_id>", MemberOfGroup.as_view()),
    path("invitations", Invitations.as_view()),
    path("invitations/<uuid:invitation_id>", InvitationById.as_view()),
    path("invitations/<uuid:invitation_id>/resend", ResendInvitation.as_view()),
    path("join-requests", JoinRequests.as_view()),
    path("join-requests/<uuid:request_id>/approve", ApproveJoinRequest.as_view()),
    path("join-requests/<uuid:request_id>/refuse", RefuseJoinRequest.as_view()),
    path("connections", Connections.as_view()),
    path("connections/check", CheckConnection.as_view()),
    path("connections/<uuid:connection_id>", ConnectionById.as_view()),
    path("connections/<uuid:connection_id>/rules", RulesOfConnection.as_view()),
    path("admission-rules/<uuid:rule_id>", RuleById.as_view()),
    path("domains", Domains.as_view()),
    path("domains/<uuid:domain_id>", DomainById.as_view()),
    path("domains/<uuid:domain_id>/verify", VerifyDomain.as_view()),
]
