"""Members over REST."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import RoleField, read
from skillport.organizations.services import members


class Member(serializers.Serializer[members.Member]):
    id = serializers.UUIDField()
    user_id = serializers.UUIDField(
        help_text="The person, whatever they belong to: what the audit log names."
    )
    name = serializers.CharField()
    email = serializers.CharField(help_text="For display. It identifies nobody.")
    role = RoleField()
    groups = serializers.ListField(child=serializers.CharField(), help_text="names, in order")
    admitted_by = serializers.CharField(help_text="why the membership began")
    began_at = serializers.DateTimeField()


class MemberList(serializers.Serializer[dict[str, object]]):
    members = Member(many=True)


class MemberChange(serializers.Serializer[dict[str, object]]):
    role = RoleField()


class Members(APIView):
    @extend_schema(operation_id="list_members", responses=MemberList)
    def get(self, request: Request, **_: object) -> Response:
        """List the live members in the order of their names."""
        found = members.list_members(principal=principal_of(request))
        return Response(MemberList({"members": found}).data)


class MemberById(APIView):
    @extend_schema(operation_id="get_member", responses=Member)
    def get(self, request: Request, membership_id: UUID, **_: object) -> Response:
        """Give one live member."""
        found = members.get_member(principal=principal_of(request), membership_id=membership_id)
        return Response(Member(found).data)

    @extend_schema(operation_id="change_member", request=MemberChange, responses={204: None})
    def patch(self, request: Request, membership_id: UUID, **_: object) -> Response:
        """Give a member another role, from their next request on. Nobody gives or takes a role above their own."""
        given = read(MemberChange, request.data)
        members.change_role(
            principal=principal_of(request), membership_id=membership_id, now=timezone.now(), **given
        )
        return Response(status=204)

    @extend_schema(operation_id="remove_member", responses={204: None})
    def delete(self, request: Request, membership_id: UUID, **_: object) -> Response:
        """End a membership, and with it every session, key and token of that person here."""
        members.remove_member(
            principal=principal_of(request), membership_id=membership_id, now=timezone.now()
        )
        return Response(status=204)
