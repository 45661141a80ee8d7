"""What can happen, as `subject:verb`. A tag is never renamed or reused: exports and alerts depend on it."""

from enum import StrEnum


class Action(StrEnum):
    ORGANIZATION_CREATED = "organization:created"
    MEMBERSHIP_BEGAN = "membership:began"
    MEMBERSHIP_ENDED = "membership:ended"
    MARKETPLACE_BOUND = "marketplace:bound"
    MARKETPLACE_ADDRESS_CHANGED = "marketplace:address-changed"
    SYNC_REQUESTED = "sync:requested"
    SNAPSHOT_PUBLISHED = "snapshot:published"
    ACCESS_RULE_CREATED = "access-rule:created"
    ACCESS_RULE_DELETED = "access-rule:deleted"
    API_KEY_CREATED = "api-key:created"
    API_KEY_REVOKED = "api-key:revoked"
    SKILL_FETCHED = "skill:fetched"
    INSTALL_TOKEN_ISSUED = "install-token:issued"
    INSTALL_TOKEN_REDEEMED = "install-token:redeemed"
    INSTALL_TOKEN_REFUSED = "install-token:refused"
