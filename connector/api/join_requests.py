"""Requests to join over REST."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import RoleField, read
from skillport.organizations.models import JoinReason
from skillport.organizations.services import join_requests


class JoinRequest(serializers.Serializer[join_requests.Waiting]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    email = serializers.CharField()
    connection = serializers.CharField(help_text="the name of the connection by which they came")
    reason = serializers.ChoiceField(choices=JoinReason.choices)
    role = RoleField(help_text="what their way in would give them")
    asked_at = serializers.DateTimeField()


class JoinRequestList(serializers.Serializer[dict[str, object]]):
    join_requests = JoinRequest(many=True)


class Approval(serializers.Serializer[dict[str, object]]):
    role = RoleField(required=False, help_text="Without it, the role that the request names.")


class Approved(serializers.Serializer[dict[str, object]]):
    member_id = serializers.UUIDField()


class JoinRequests(APIView):
    @extend_schema(operation_id="list_join_requests", responses=JoinRequestList)
    def get(self, request: Request, **_: object) -> Response:
        """List who waits for a decision, the longest first."""
        found = join_requests.list_join_requests(principal=principal_of(request))
        return Response(JoinRequestList({"join_requests": found}).data)


class ApproveJoinRequest(APIView):
    @extend_schema(operation_id="approve_join_request", request=Approval, responses=Approved)
    def post(self, request: Request, request_id: UUID, **_: object) -> Response:
        """Let the person in, from their next sign-in on."""
        given = read(Approval, request.data)
        membership = join_requests.approve_join_request(
            principal=principal_of(request), request_id=request_id, now=timezone.now(), **given
        )
        return Response(Approved({"member_id": membership.pk}).data)


class RefuseJoinRequest(APIView):
    @extend_schema(operation_id="refuse_join_request", request=None, responses={204: None})
    def post(self, request: Request, request_id: UUID, **_: object) -> Response:
        """Keep the person out; for thirty days their sign-ins do not ask again."""
        join_requests.refuse_join_request(principal=principal_of(request), request_id=request_id)
        return Response(status=204)
