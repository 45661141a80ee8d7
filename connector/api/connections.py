"""Connections and who is admitted by them, over REST. A client secret goes in and never comes out."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import RoleField, read
from skillport.organizations.models import Admission, By, Kind
from skillport.organizations.services import admission_rules, connections
from skillport.organizations.services.admission_rules import LONGEST_VALUE
from skillport.organizations.services.connections import LONGEST
from skillport.organizations.services.provider_metadata import ProviderMetadata


class AdmissionRule(serializers.Serializer[connections.Rule]):
    id = serializers.UUIDField()
    by = serializers.ChoiceField(choices=By.choices)
    value = serializers.CharField(help_text="the domain or the group; empty for everybody")
    admission = serializers.ChoiceField(choices=Admission.choices)
    role = RoleField()


class Connection(serializers.Serializer[connections.Connection]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    name = serializers.CharField()
    issuer = serializers.CharField()
    tenant_id = serializers.UUIDField(allow_null=True)
    client_id = serializers.CharField()
    has_secret = serializers.BooleanField()
    groups_claim = serializers.CharField()
    enabled = serializers.BooleanField()
    redirect_url = serializers.CharField(help_text="to be registered at the provider")
    checked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    rules = AdmissionRule(many=True)


class ConnectionList(serializers.Serializer[dict[str, object]]):
    connections = Connection(many=True)


class ConnectionSettings(serializers.Serializer[dict[str, object]]):
    kind = serializers.ChoiceField(choices=[(kind, kind.label) for kind in Kind])
    name = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST["name"])
    issuer = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST["issuer"],
        help_text="OpenID Connect: as the provider shows it.",
    )
    tenant_id = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST["tenant_id"],
        help_text="Entra: the directory (tenant) id.",
    )
    client_id = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST["client_id"])
    client_secret = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST["client_secret"], write_only=True, trim_whitespace=True,
        help_text="When a connection is changed, an empty one keeps the one that is stored.",
    )  # fmt: skip
    groups_claim = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LONGEST["groups_claim"],
        help_text="The claim that holds a person's groups.",
    )


class ConnectionCheck(ConnectionSettings):
    connection_id = serializers.UUIDField(
        required=False, help_text="Whose stored secret is used when none is given, for the same issuer only."
    )


class CheckedProvider(serializers.Serializer[ProviderMetadata]):
    issuer = serializers.CharField()
    authorization_endpoint = serializers.CharField()
    token_endpoint = serializers.CharField()
    jwks_uri = serializers.CharField()
    userinfo_endpoint = serializers.CharField()


class ConnectionSwitch(serializers.Serializer[dict[str, object]]):
    enabled = serializers.BooleanField()


class NewRule(serializers.Serializer[dict[str, object]]):
    by = serializers.ChoiceField(choices=[(by, by.label) for by in By])
    value = serializers.CharField(required=False, default="", allow_blank=True, max_length=LONGEST_VALUE)
    admission = serializers.ChoiceField(choices=[(one, one.label) for one in Admission])
    role = RoleField(help_text="Nobody becomes an owner by what a provider says.")


class Made(serializers.Serializer[dict[str, object]]):
    id = serializers.UUIDField()


class Connections(APIView):
    @extend_schema(operation_id="list_connections", responses=ConnectionList)
    def get(self, request: Request, **_: object) -> Response:
        """List the ways in which people sign in, the oldest first."""
        found = connections.list_connections(principal=principal_of(request))
        return Response(ConnectionList({"connections": found}).data)

    @extend_schema(operation_id="add_connection", request=ConnectionSettings, responses={201: Made})
    def post(self, request: Request, **_: object) -> Response:
        """Add a way in, after trying its settings against the provider."""
        given = connections.Settings(**read(ConnectionSettings, request.data))
        made = connections.add_connection(principal=principal_of(request), given=given, now=timezone.now())
        return Response(Made({"id": made}).data, status=201)


class CheckConnection(APIView):
    @extend_schema(operation_id="check_connection", request=ConnectionCheck, responses=CheckedProvider)
    def post(self, request: Request, **_: object) -> Response:
        """Try settings against the provider and say what is wrong; nothing is saved."""
        given = read(ConnectionCheck, request.data)
        connection_id = given.pop("connection_id", None)
        metadata = connections.check_connection(
            principal=principal_of(request),
            given=connections.Settings(**given),
            connection_id=connection_id,
            now=timezone.now(),
        )
        return Response(CheckedProvider(metadata).data)


class ConnectionById(APIView):
    @extend_schema(operation_id="get_connection", responses=Connection)
    def get(self, request: Request, connection_id: UUID, **_: object) -> Response:
        """Give one connection with its rules."""
        found = connections.get_connection(principal=principal_of(request), connection_id=connection_id)
        return Response(Connection(found).data)

    @extend_schema(operation_id="change_connection", request=ConnectionSettings, responses={204: None})
    def put(self, request: Request, connection_id: UUID, **_: object) -> Response:
        """Replace a connection's settings, after trying them. An empty secret keeps the one that is stored."""
        given = connections.Settings(**read(ConnectionSettings, request.data))
        connections.change_connection(
            principal=principal_of(request), connection_id=connection_id, given=given, now=timezone.now()
        )
        return Response(status=204)

    @extend_schema(operation_id="enable_connection", request=ConnectionSwitch, responses={204: None})
    def patch(self, request: Request, connection_id: UUID, **_: object) -> Response:
        """Let people in this way, or stop it from the next request on."""
        given = read(ConnectionSwitch, request.data)
        connections.enable_connection(
            principal=principal_of(request), connection_id=connection_id, now=timezone.now(), **given
        )
        return Response(status=204)

    @extend_schema(operation_id="delete_connection", responses={204: None})
    def delete(self, request: Request, connection_id: UUID, **_: object) -> Response:
        """Remove a connection, its rules and the groups that it fills."""
        connections.delete_connection(
            principal=principal_of(request), connection_id=connection_id, now=timezone.now()
        )
        return Response(status=204)


class RulesOfConnection(APIView):
    @extend_schema(operation_id="add_admission_rule", request=NewRule, responses={201: Made})
    def post(self, request: Request, connection_id: UUID, **_: object) -> Response:
        """Admit people who come through a connection."""
        given = read(NewRule, request.data)
        made = admission_rules.add_rule(
            principal=principal_of(request), connection_id=connection_id, now=timezone.now(), **given
        )
        return Response(Made({"id": made}).data, status=201)


class RuleById(APIView):
    @extend_schema(operation_id="delete_admission_rule", responses={204: None})
    def delete(self, request: Request, rule_id: UUID, **_: object) -> Response:
        """Admit nobody new by this rule; whoever came by it stays."""
        admission_rules.delete_rule(principal=principal_of(request), rule_id=rule_id, now=timezone.now())
        return Response(status=204)
