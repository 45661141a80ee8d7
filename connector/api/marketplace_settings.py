"""What administrators choose about a bound repository, over REST: settings, pause, pinned commit, deletion."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from connector.api.marketplaces import BegunSync
from marketplaces.services import changing, pinning


class Pin(serializers.Serializer[dict[str, object]]):
    commit = serializers.CharField(required=False, max_length=64, help_text="all 40 digits of its id")
    snapshot = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="or the number of one that is kept"
    )

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give either a commit or the number of a snapshot.")
        return attrs


class Pinned(serializers.Serializer[dict[str, object]]):
    sync_id = serializers.IntegerField(
        allow_null=True,
        help_text="the sync that brings the commit; null: it is served now, or syncs are paused",
    )


class Confirmation(serializers.Serializer[dict[str, object]]):
    confirmation = serializers.CharField(max_length=64, help_text="the marketplace's name")


class Closing(serializers.Serializer[dict[str, object]]):
    closing_at = serializers.DateTimeField(help_text="until then it can be kept")


class PinOfMarketplace(APIView):
    @extend_schema(operation_id="pin_commit", request=Pin, responses=Pinned)
    def put(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Stay with one commit: one that is kept is served at once, another is brought by a sync."""
        asked = read(Pin, request.data)
        principal, number = principal_of(request), asked.get("snapshot")
        begun = None
        if number is not None:
            pinning.serve_snapshot(principal=principal, marketplace_id=marketplace_id, number=number)
        else:
            commit = asked["commit"]
            begun = pinning.pin_commit(principal=principal, marketplace_id=marketplace_id, commit=commit)
        return Response(Pinned({"sync_id": begun}).data)

    @extend_schema(operation_id="follow_branch", responses={202: BegunSync})
    def delete(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Follow the branch again, beginning with a sync."""
        begun = pinning.unpin(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(BegunSync({"sync_id": begun}).data, status=202)


class PauseOfMarketplace(APIView):
    @extend_schema(operation_id="pause_syncs", request=None, responses={204: None})
    def put(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Begin no sync until they are resumed, and call off what is under way. What is served stays."""
        changing.pause_syncs(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(status=204)

    @extend_schema(operation_id="resume_syncs", responses={202: BegunSync})
    def delete(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Go on with syncs, beginning with one."""
        begun = changing.resume_syncs(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(BegunSync({"sync_id": begun}).data, status=202)


class DeletionOfMarketplace(APIView):
    @extend_schema(operation_id="delete_marketplace", request=Confirmation, responses=Closing)
    def put(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Stop serving the marketplace at once, and delete it in seven days."""
        at = changing.delete_marketplace(
            principal=principal_of(request), marketplace_id=marketplace_id, **read(Confirmation, request.data)
        )
        return Response(Closing({"closing_at": at}).data)

    @extend_schema(operation_id="keep_marketplace", responses={204: None})
    def delete(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Take the deletion back: what was served is served again."""
        changing.keep_marketplace(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(status=204)
