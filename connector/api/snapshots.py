"""A marketplace's snapshots over REST: which there are, and what changed between two of them."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from marketplaces.services import comparing, snapshots
from marketplaces.services.changes import What
from marketplaces.services.file_diff import Line, Shown

_WHAT = [(what.value, what.value) for what in What]


class Snapshot(serializers.Serializer[snapshots.Kept]):
    number = serializers.IntegerField()
    commit = serializers.CharField()
    author = serializers.CharField()
    subject = serializers.CharField()
    committed_at = serializers.DateTimeField()
    imported_at = serializers.DateTimeField()
    plugins = serializers.IntegerField()
    skills = serializers.IntegerField()
    is_served = serializers.BooleanField(help_text="whether members get this one")
    before = serializers.IntegerField(allow_null=True, help_text="the number of the kept one before it")


class SnapshotList(serializers.Serializer[dict[str, object]]):
    snapshots = Snapshot(many=True)


class DiffLine(serializers.Serializer[Line]):
    kind = serializers.CharField(help_text="as in a unified diff: + - @ \\ or a space")
    text = serializers.CharField(help_text="what would not be seen is escaped; at most 600 characters")


class DiffFile(serializers.Serializer[comparing.File]):
    size_bytes = serializers.IntegerField()
    digest = serializers.CharField(help_text="SHA-256 of the content")
    executable = serializers.BooleanField()


class ChangedFile(serializers.Serializer[comparing.FileChange]):
    path = serializers.CharField()
    what = serializers.ChoiceField(choices=_WHAT)
    before = DiffFile(allow_null=True)
    after = DiffFile(allow_null=True)
    shown = serializers.ChoiceField(choices=[(one.value, one.value) for one in Shown])
    lines = DiffLine(many=True, help_text="a unified diff, when `shown` is text")
    added = serializers.IntegerField(source="diff.added", help_text="lines")
    deleted = serializers.IntegerField(source="diff.deleted", help_text="lines")
    hidden_characters = serializers.BooleanField(source="diff.unseen")
    not_utf8 = serializers.BooleanField(source="diff.not_utf8")


class ChangedThing(serializers.Serializer[comparing.ThingChange]):
    kind = serializers.ChoiceField(choices=[("plugin", "plugin"), ("skill", "skill")])
    what = serializers.ChoiceField(choices=_WHAT)
    plugin = serializers.CharField()
    name = serializers.CharField()
    was = serializers.CharField(help_text="the former name of what was renamed")
    version_before = serializers.CharField()
    version_after = serializers.CharField()
    told = serializers.ListField(
        child=serializers.CharField(),
        help_text="what is said differently: version, description, details, folder",
    )
    files = ChangedFile(many=True)
    files_left_out = serializers.BooleanField(help_text="more of its files differ than are listed")
    files_gone = serializers.BooleanField(help_text="those of one of the two are no longer kept")


class SnapshotChanges(serializers.Serializer[comparing.Comparison]):
    older = Snapshot()
    newer = Snapshot()
    things = ChangedThing(many=True, help_text="by plugin and skill, at most 500")
    left_out = serializers.IntegerField(help_text="plugins and skills that differ beyond those")


class SnapshotPage(serializers.Serializer[dict[str, object]]):
    before = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class OnePlugin(serializers.Serializer[dict[str, object]]):
    plugin = serializers.CharField(required=False, default="", max_length=200, help_text="only this one")


class SnapshotsOfMarketplace(APIView):
    @extend_schema(operation_id="list_snapshots", parameters=[SnapshotPage], responses=SnapshotList)
    def get(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """List the marketplace's snapshots, the newest first, 100 at a time; `before` is the number to go on from."""
        found = snapshots.list_snapshots(
            principal=principal_of(request),
            marketplace_id=marketplace_id,
            **read(SnapshotPage, request.query_params),
        )
        return Response(SnapshotList({"snapshots": found}).data)


class ChangesBetweenSnapshots(APIView):
    @extend_schema(operation_id="compare_snapshots", parameters=[OnePlugin], responses=SnapshotChanges)
    def get(self, request: Request, marketplace_id: UUID, older: int, newer: int, **_: object) -> Response:
        """Give what changed between two snapshots, by plugin and skill and then file by file, within caps."""
        found = comparing.compare_snapshots(
            principal=principal_of(request), marketplace_id=marketplace_id, older=older, newer=newer,
            **read(OnePlugin, request.query_params),
        )  # fmt: skip
        return Response(SnapshotChanges(found).data)
