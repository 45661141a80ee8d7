"""External sources of a marketplace over REST: which hosts it may use, with what credentials, and how far each source is."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from connector.api.marketplaces import ChangedMarketplace
from marketplaces.models import MirrorState
from marketplaces.services.external import hosts


class ExternalCredential(serializers.Serializer[hosts.HostCredential]):
    id = serializers.UUIDField()
    host = serializers.CharField()
    username = serializers.CharField()
    credential_last_four = serializers.CharField()
    created_at = serializers.DateTimeField()


class ExternalSource(serializers.Serializer[hosts.Source]):
    plugin = serializers.CharField()
    url = serializers.CharField()
    ref = serializers.CharField(help_text="branch or tag; empty: the default branch, or `sha`")
    sha = serializers.CharField(help_text="the commit that marketplace.json names, if it does")
    folder = serializers.CharField(help_text="empty: the whole repository")
    state = serializers.ChoiceField(choices=MirrorState.choices)
    commit = serializers.CharField(help_text="what is mirrored; empty: nothing yet")
    file_count = serializers.IntegerField()
    mirrored_at = serializers.DateTimeField(allow_null=True)
    not_before = serializers.DateTimeField(allow_null=True, help_text="it is not tried again before")
    error_code = serializers.CharField()
    error_message = serializers.CharField()


class ExternalSourceList(serializers.Serializer[hosts.ExternalSources]):
    hosts = serializers.ListField(child=serializers.CharField())
    is_default = serializers.BooleanField(help_text="nobody has chosen: only the marketplace's own host")
    credentials = ExternalCredential(many=True)
    sources = ExternalSource(many=True)


class AllowedHosts(serializers.Serializer[dict[str, object]]):
    hosts = serializers.ListField(
        child=serializers.CharField(max_length=hosts.LONGEST_HOST),
        max_length=hosts.MOST_HOSTS,
        help_text="such as github.com; these and no others",
    )


class NewExternalCredential(serializers.Serializer[dict[str, object]]):
    host = serializers.CharField(max_length=hosts.LONGEST_HOST, help_text="one that the marketplace may use")
    username = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    credential = serializers.CharField(max_length=2000, write_only=True)


class ExternalSourcesOfMarketplace(APIView):
    @extend_schema(operation_id="list_external_sources", responses=ExternalSourceList)
    def get(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Give the hosts that plugins may come from, their credentials, and how far each external source is."""
        found = hosts.get_external_sources(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(ExternalSourceList(found).data)


class HostsOfExternalSources(APIView):
    @extend_schema(operation_id="allow_external_hosts", request=AllowedHosts, responses=ChangedMarketplace)
    def put(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Let plugins come from these hosts and no others, and begin a sync."""
        run = hosts.allow_hosts(
            principal=principal_of(request), marketplace_id=marketplace_id, **read(AllowedHosts, request.data)
        )
        return Response(ChangedMarketplace({"sync_id": run}).data)


class CredentialsOfExternalSources(APIView):
    @extend_schema(
        operation_id="bind_external_credential",
        request=NewExternalCredential,
        responses={201: ExternalCredential},
    )
    def post(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Read the sources on one host with this credential, in the place of an earlier one, and begin a sync."""
        given = read(NewExternalCredential, request.data)
        bound = hosts.bind_credential(
            principal=principal_of(request), marketplace_id=marketplace_id, host=given["host"],
            username=given["username"], credential_secret=given["credential"],
        )  # fmt: skip
        return Response(ExternalCredential(bound).data, status=201)


class CredentialOfExternalSources(APIView):
    @extend_schema(operation_id="remove_external_credential", request=None, responses=ChangedMarketplace)
    def delete(self, request: Request, marketplace_id: UUID, credential_id: UUID, **_: object) -> Response:
        """Read the host's sources without a credential again, forget what it read, and begin a sync."""
        run = hosts.remove_credential(
            principal=principal_of(request), marketplace_id=marketplace_id, credential_id=credential_id
        )
        return Response(ChangedMarketplace({"sync_id": run}).data)
