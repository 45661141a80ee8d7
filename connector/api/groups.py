"""Groups over REST."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from skillport.organizations.services import groups


class GroupSource(serializers.Serializer[groups.Source]):
    connection_id = serializers.UUIDField()
    connection = serializers.CharField(help_text="the connection's name")
    claim_value = serializers.CharField(help_text="what its provider calls the group")


class GroupInList(serializers.Serializer[groups.GroupInList]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    filled_by = GroupSource(source="source", allow_null=True, help_text="null where it is filled by hand")
    size = serializers.IntegerField()


class GroupList(serializers.Serializer[dict[str, object]]):
    groups = GroupInList(many=True)


class PersonInGroup(serializers.Serializer[groups.PersonInGroup]):
    id = serializers.UUIDField(source="membership_id")
    name = serializers.CharField()
    email = serializers.CharField()


class Group(serializers.Serializer[groups.GroupWithMembers]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    filled_by = GroupSource(source="source", allow_null=True, help_text="null where it is filled by hand")
    members = PersonInGroup(many=True)


class NewGroup(serializers.Serializer[dict[str, object]]):
    name = serializers.CharField(max_length=groups.LONGEST_NAME)
    connection_id = serializers.UUIDField(
        required=False, help_text="With `claim_value`: whose provider fills the group."
    )
    claim_value = serializers.CharField(required=False, max_length=groups.LONGEST_CLAIM)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        if ("connection_id" in attrs) != ("claim_value" in attrs):
            raise serializers.ValidationError("Give both connection_id and claim_value, or neither.")
        return attrs


class GroupChange(serializers.Serializer[dict[str, object]]):
    name = serializers.CharField(max_length=groups.LONGEST_NAME)


class Groups(APIView):
    @extend_schema(operation_id="list_groups", responses=GroupList)
    def get(self, request: Request, **_: object) -> Response:
        """List the groups in the order of their names."""
        return Response(GroupList({"groups": groups.list_groups(principal=principal_of(request))}).data)

    @extend_schema(operation_id="create_group", request=NewGroup, responses={201: GroupInList})
    def post(self, request: Request, **_: object) -> Response:
        """Make a group: filled by hand, or by what a connection's provider says when people sign in."""
        given = read(NewGroup, request.data)
        create = groups.create_fed_group if "connection_id" in given else groups.create_group
        made = create(principal=principal_of(request), **given)
        return Response(GroupInList(made).data, status=201)


class GroupById(APIView):
    @extend_schema(operation_id="get_group", responses=Group)
    def get(self, request: Request, group_id: UUID, **_: object) -> Response:
        """Give one group with its members."""
        return Response(Group(groups.get_group(principal=principal_of(request), group_id=group_id)).data)

    @extend_schema(operation_id="rename_group", request=GroupChange, responses={204: None})
    def patch(self, request: Request, group_id: UUID, **_: object) -> Response:
        """Give a group another name."""
        given = read(GroupChange, request.data)
        groups.rename_group(principal=principal_of(request), group_id=group_id, **given)
        return Response(status=204)

    @extend_schema(operation_id="delete_group", responses={204: None})
    def delete(self, request: Request, group_id: UUID, **_: object) -> Response:
        """Remove a group that no access rule names. Its members stay members."""
        groups.delete_group(principal=principal_of(request), group_id=group_id)
        return Response(status=204)


class MemberOfGroup(APIView):
    @extend_schema(operation_id="add_to_group", request=None, responses={204: None})
    def put(self, request: Request, group_id: UUID, membership_id: UUID, **_: object) -> Response:
        """Put a member into a group that is filled by hand."""
        groups.add_to_group(principal=principal_of(request), group_id=group_id, membership_id=membership_id)
        return Response(status=204)

    @extend_schema(operation_id="remove_from_group", responses={204: None})
    def delete(self, request: Request, group_id: UUID, membership_id: UUID, **_: object) -> Response:
        """Take a member out of a group that is filled by hand."""
        groups.remove_from_group(
            principal=principal_of(request), group_id=group_id, membership_id=membership_id
        )
        return Response(status=204)
