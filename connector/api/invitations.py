"""Invitations over REST."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import RoleField, read
from skillport.organizations.services import invitations


class Invitation(serializers.Serializer[invitations.Invited]):
    id = serializers.UUIDField()
    email = serializers.CharField()
    role = RoleField()
    group_ids = serializers.ListField(child=serializers.UUIDField())
    state = serializers.ChoiceField(choices=[(state, state.value) for state in invitations.State])
    invited_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)


class InvitationList(serializers.Serializer[dict[str, object]]):
    invitations = Invitation(many=True)


class NewInvitation(serializers.Serializer[dict[str, object]]):
    email = serializers.CharField(max_length=invitations.LONGEST_EMAIL)
    role = RoleField()
    group_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, max_length=100,
        help_text="Groups that are filled by hand, and that the person joins by accepting.",
    )  # fmt: skip


class SentInvitation(serializers.Serializer[invitations.Sent]):
    invitation = Invitation()
    link = serializers.CharField(
        help_text="Lets whoever opens it first become a member. It is in this answer and never again."
    )
    mail_sent = serializers.BooleanField(
        help_text="Where false, the mail could not be sent: hand the link over in another way."
    )


class Invitations(APIView):
    @extend_schema(operation_id="list_invitations", responses=InvitationList)
    def get(self, request: Request, **_: object) -> Response:
        """List the newest thousand invitations, whatever became of them, the newest first."""
        found = invitations.list_invitations(principal=principal_of(request))
        return Response(InvitationList({"invitations": found}).data)

    @extend_schema(operation_id="create_invitation", request=NewInvitation, responses={201: SentInvitation})
    def post(self, request: Request, **_: object) -> Response:
        """Invite somebody by mail, for seven days."""
        given = read(NewInvitation, request.data)
        sent = invitations.create_invitation(principal=principal_of(request), now=timezone.now(), **given)
        return Response(SentInvitation(sent).data, status=201)


class InvitationById(APIView):
    @extend_schema(operation_id="revoke_invitation", responses={204: None})
    def delete(self, request: Request, invitation_id: UUID, **_: object) -> Response:
        """Let an invitation's link be dead from now on."""
        invitations.revoke_invitation(principal=principal_of(request), invitation_id=invitation_id)
        return Response(status=204)


class ResendInvitation(APIView):
    @extend_schema(operation_id="resend_invitation", request=None, responses=SentInvitation)
    def post(self, request: Request, invitation_id: UUID, **_: object) -> Response:
        """Mail a new link, good for seven days from now; the old one is dead."""
        sent = invitations.resend_invitation(
            principal=principal_of(request), invitation_id=invitation_id, now=timezone.now()
        )
        return Response(SentInvitation(sent).data)
