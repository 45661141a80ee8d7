"""What a marketplace is made of. Import models from here."""

from marketplaces.models.access_rule import AccessRule, Effect, Right, Subject, SubjectKind
from marketplaces.models.catalog import Plugin, PluginListing, Skill, SkillListing, VersionEntry
from marketplaces.models.content import Blob, Release, ReleaseFile
from marketplaces.models.external import (
    ExternalCredential,
    ExternalFile,
    ExternalSource,
    ExternalUse,
    MirrorState,
)
from marketplaces.models.marketplace import Marketplace, Snapshot, Webhook
from marketplaces.models.quota import Quota
from marketplaces.models.sync_run import Phase, RunState, SyncFinding, SyncRun, Trigger

__all__ = [
    "AccessRule",
    "Blob",
    "Effect",
    "ExternalCredential",
    "ExternalFile",
    "ExternalSource",
    "ExternalUse",
    "Marketplace",
    "MirrorState",
    "Phase",
    "Plugin",
    "PluginListing",
    "Quota",
    "Release",
    "ReleaseFile",
    "Right",
    "RunState",
    "Skill",
    "SkillListing",
    "Snapshot",
    "Subject",
    "SubjectKind",
    "SyncFinding",
    "SyncRun",
    "Trigger",
    "VersionEntry",
    "Webhook",
]
