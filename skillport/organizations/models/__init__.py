"""Organizations, who belongs to them, and how they come in. Import models from here."""

from skillport.organizations.models.admission import Admission, AdmissionRule, By, JoinReason, JoinRequest
from skillport.organizations.models.group import Group, GroupMember
from skillport.organizations.models.invitation import Invitation
from skillport.organizations.models.organization import AdmittedBy, Membership, Organization
from skillport.organizations.models.sign_in import Kind, SignInConnection, VerifiedDomain

__all__ = [
    "Admission",
    "AdmissionRule",
    "AdmittedBy",
    "By",
    "Group",
    "GroupMember",
    "Invitation",
    "JoinReason",
    "JoinRequest",
    "Kind",
    "Membership",
    "Organization",
    "SignInConnection",
    "VerifiedDomain",
]
