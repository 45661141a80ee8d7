"""What an organization stores, over REST."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from marketplaces.services import storage


class Stored(serializers.Serializer[storage.Storage]):
    stored_bytes = serializers.IntegerField(
        help_text="each content once, with what is kept for old snapshots"
    )
    most_stored_bytes = serializers.IntegerField(help_text="an import that would exceed it fails")
    marketplaces = serializers.IntegerField()
    most_marketplaces = serializers.IntegerField()
    snapshots = serializers.IntegerField(help_text="of all marketplaces, those that are kept")
    skills = serializers.IntegerField(help_text="of all marketplaces, those that are served")


class Storage(APIView):
    @extend_schema(operation_id="get_storage", responses=Stored)
    def get(self, request: Request, **_: object) -> Response:
        """Tell how much the organization stores, and how much it may."""
        return Response(Stored(storage.get_storage(principal=principal_of(request))).data)
