"""Marketplaces over REST: bind repositories, see where they stand, begin syncs. A credential goes in and never comes out."""

from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.credentials import Credential
from connector.api.fields import ProviderField, read
from marketplaces.check_streams import lines_of, wants_lines
from marketplaces.models import RunState, Trigger
from marketplaces.services import binding, bound, changes, changing, checking, moving
from marketplaces.services.checking import Report
from marketplaces.services.steps import Step, StepName, StepState


class ChangeCounts(serializers.Serializer[changes.Counts]):
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    removed = serializers.IntegerField()
    renamed = serializers.IntegerField()


class NamedChange(serializers.Serializer[changes.Named]):
    what = serializers.ChoiceField(choices=[(what.value, what.value) for what in changes.What])
    kind = serializers.ChoiceField(choices=[("plugin", "plugin"), ("skill", "skill")])
    name = serializers.CharField()
    was = serializers.CharField(help_text="the former name of what was renamed")


class ChangeSummary(serializers.Serializer[changes.Summary]):
    plugins = ChangeCounts()
    skills = ChangeCounts()
    named = NamedChange(many=True, help_text="at most 200")


class SyncRun(serializers.Serializer[bound.Run]):
    id = serializers.IntegerField()
    trigger = serializers.ChoiceField(choices=Trigger.choices)
    state = serializers.ChoiceField(choices=RunState.choices)
    phase = serializers.CharField(
        source="phase_label", help_text="what it is doing, in words; empty before it began"
    )
    done = serializers.IntegerField(help_text="files handled in this phase")
    total = serializers.IntegerField()
    requested_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True, help_text="how long its last attempt took")
    requests = serializers.IntegerField(help_text="requests to the git host, by all attempts")
    received_bytes = serializers.IntegerField(
        help_text="of the bodies of its answers, within a few hundred bytes"
    )
    commit = serializers.CharField()
    author = serializers.CharField()
    subject = serializers.CharField()
    changes = ChangeSummary(allow_null=True, help_text="what it changed; null: nothing")
    snapshot = serializers.IntegerField(
        allow_null=True, help_text="the number of the snapshot that it published"
    )
    snapshot_before = serializers.IntegerField(
        allow_null=True, help_text="the number of the one that was served before, if it is kept"
    )
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    findings = serializers.IntegerField(help_text="how many so far; GET the sync itself to read them")


class Finding(serializers.Serializer[bound.Finding]):
    severity = serializers.CharField()
    code = serializers.CharField()
    path = serializers.CharField()
    reason = serializers.CharField()
    remedy = serializers.CharField()


class SyncRunWithFindings(serializers.Serializer[dict[str, object]]):
    sync = SyncRun()
    findings = Finding(many=True, help_text="the gravest first, at most 500")


class SyncRunList(serializers.Serializer[dict[str, object]]):
    syncs = SyncRun(many=True)


class Served(serializers.Serializer[bound.Served]):
    number = serializers.IntegerField()
    commit = serializers.CharField()
    author = serializers.CharField()
    subject = serializers.CharField()
    committed_at = serializers.DateTimeField()
    imported_at = serializers.DateTimeField()
    derived = serializers.BooleanField(
        help_text="there is no marketplace.json: the catalog was made of the repository's folders"
    )
    plugins = serializers.IntegerField()
    skills = serializers.IntegerField()


class WebhookHealth(serializers.Serializer[bound.WebhookHealth]):
    registered_at = serializers.DateTimeField(
        allow_null=True, help_text="when it was last registered through the provider's API"
    )
    last_delivery_at = serializers.DateTimeField(allow_null=True)
    last_delivery_event = serializers.CharField()
    last_delivery_id = serializers.CharField(help_text="the git host's own name for it")
    last_refusal_at = serializers.DateTimeField(allow_null=True, help_text="noted at most once a minute")
    last_refusal_reason = serializers.CharField(help_text="in words")


class CredentialExpiry(serializers.Serializer[bound.Expiry]):
    known = serializers.BooleanField(help_text="whether the provider told; then no `expires_at` means no end")
    expires_at = serializers.DateTimeField(allow_null=True)
    days_left = serializers.IntegerField(allow_null=True)
    asked_at = serializers.DateTimeField(allow_null=True, help_text="asked daily")


class GitHubAppOfMarketplace(serializers.Serializer[bound.App]):
    app_id = serializers.CharField(source="id", help_text="its App id or client id")
    installation_id = serializers.IntegerField(allow_null=True, help_text="null: not known yet")
    key_fingerprint = serializers.CharField(help_text="as GitHub shows it")


class Marketplace(serializers.Serializer[bound.Bound]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    url = serializers.CharField()
    moved_to = serializers.CharField(
        help_text="where the git host says that the repository has gone; empty while it is where we look for it"
    )
    branch = serializers.CharField(help_text="empty: the repository's default branch")
    username = serializers.CharField()
    credential_last_four = serializers.CharField()
    credential_expiry = CredentialExpiry()
    github_app = GitHubAppOfMarketplace(
        source="app", allow_null=True, help_text="whose tokens it is read with; null: none"
    )
    provider = serializers.CharField(
        help_text="whose API its host has: github, gitlab or other; empty: not known yet"
    )
    provider_chosen = serializers.BooleanField(help_text="somebody has said so, and the host is not asked")
    webhook = WebhookHealth()
    created_at = serializers.DateTimeField()
    next_poll_at = serializers.DateTimeField(allow_null=True)
    quiet_until = serializers.DateTimeField(
        allow_null=True, help_text="the git host asked for a pause until then"
    )
    folder = serializers.CharField(help_text="only what is below is read; empty: the whole repository")
    poll_seconds = serializers.IntegerField(help_text="0: only webhooks and people begin syncs")
    keep_days = serializers.IntegerField()
    pinned_commit = serializers.CharField(help_text="empty: the branch is followed")
    paused_at = serializers.DateTimeField(allow_null=True)
    closing_at = serializers.DateTimeField(allow_null=True, help_text="when all of it is deleted")
    attention = serializers.CharField(help_text="the code of an error that only a person can end, or empty")
    quarantined_commit = serializers.CharField(
        help_text="a commit that failed three times and is left alone, or empty"
    )
    quarantined_until = serializers.DateTimeField(allow_null=True)
    served = Served(allow_null=True, help_text="the commit that members get")
    last_run = SyncRun(allow_null=True)


class MarketplaceList(serializers.Serializer[dict[str, object]]):
    marketplaces = Marketplace(many=True)


class Repository(Credential):
    url = serializers.CharField(max_length=500)
    branch = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)


class NewMarketplace(Repository):
    folder = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=200,
        help_text="where the marketplace lies in the repository; empty: its root",
    )
    slug = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=64,
        help_text="empty: named after the repository",
    )
    provider = ProviderField()


class CheckStep(serializers.Serializer[Step]):
    name = serializers.ChoiceField(choices=[str(name) for name in StepName])
    state = serializers.ChoiceField(
        choices=[str(state) for state in StepState],
        help_text="care: look at it, the repository can be bound; failed: the last step there is",
    )
    title = serializers.CharField()
    said = serializers.CharField()
    remedy = serializers.CharField(help_text="what to do; empty when nothing is to be done")
    code = serializers.CharField(help_text="the error's code, of a failed step")
    moved_to = serializers.CharField(
        help_text="where the host says that the repository has gone: nothing was sent there"
    )
    findings = Finding(many=True, help_text="the first few")


class CheckedRepository(serializers.Serializer[Report]):
    passed = serializers.BooleanField(help_text="the repository can be bound")
    steps = CheckStep(many=True, help_text="in order, up to and with the first that failed")


class BoundMarketplace(serializers.Serializer[binding.Binding]):
    id = serializers.UUIDField(source="marketplace_id")
    sync_id = serializers.IntegerField(source="sync_run_id")
    webhook_url = serializers.CharField()
    webhook_secret = serializers.CharField(help_text="shown here once")


class MarketplaceSettings(serializers.Serializer[dict[str, object]]):
    branch = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="empty: the default branch"
    )
    folder = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="only what is below is read"
    )
    poll_seconds = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=changing.LONGEST_POLL_SECONDS,
        help_text="how often to look for new commits: at least 60, or 0 for never",
    )
    keep_days = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=changing.LONGEST_KEPT_DAYS,
        help_text="how long a snapshot is kept that is served no more",
    )
    provider = ProviderField(default=serializers.empty)


class ChangedMarketplace(serializers.Serializer[dict[str, object]]):
    sync_id = serializers.IntegerField(
        allow_null=True, help_text="the sync that another branch or folder begins"
    )


class NewAddress(Credential):
    address = serializers.CharField(
        max_length=500, help_text="`moved_to` of the marketplace, as it was shown"
    )


class BegunSync(serializers.Serializer[dict[str, object]]):
    sync_id = serializers.IntegerField(
        allow_null=True, help_text="null while syncs are paused: resuming begins one"
    )


class Page(serializers.Serializer[dict[str, object]]):
    before = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


def _begun(run_id: int | None) -> Response:
    return Response(BegunSync({"sync_id": run_id}).data, status=202)


class Marketplaces(APIView):
    @extend_schema(operation_id="list_marketplaces", responses=MarketplaceList)
    def get(self, request: Request, **_: object) -> Response:
        """List the repositories that are bound, each with what is served of it and its newest sync."""
        found = bound.list_marketplaces(principal=principal_of(request))
        return Response(MarketplaceList({"marketplaces": found}).data)

    @extend_schema(operation_id="bind_marketplace", request=NewMarketplace, responses={201: BoundMarketplace})
    def post(self, request: Request, **_: object) -> Response:
        """Bind a repository, after asking its host for the newest commit, and begin its first sync."""
        made = binding.bind_checked_marketplace(
            principal=principal_of(request), **read(NewMarketplace, request.data)
        )
        return Response(BoundMarketplace(made).data, status=201)


class CheckRepository(APIView):
    @extend_schema(operation_id="check_repository", request=NewMarketplace, responses=CheckedRepository)
    def post(self, request: Request, **_: object) -> HttpResponseBase:
        """Try what the first sync would do, and say of each step what came of it; nothing is saved.

        It takes at most a minute. With `Accept: application/x-ndjson` each step is told on a line of its own as it ends,
        and `passed` on the last.
        """
        begun = checking.begin_check(principal=principal_of(request), **read(NewMarketplace, request.data))
        if wants_lines(request.headers.get("Accept", "")):
            return lines_of(begun, lambda step: dict(CheckStep(step).data))
        return Response(CheckedRepository(checking.check(begun)).data)


class MarketplaceById(APIView):
    @extend_schema(operation_id="get_marketplace", responses=Marketplace)
    def get(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Give one repository with what is served of it and its newest sync."""
        found = bound.get_marketplace(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(Marketplace(found).data)

    @extend_schema(
        operation_id="change_marketplace", request=MarketplaceSettings, responses=ChangedMarketplace
    )
    def patch(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Change the settings that are given. Another branch or folder begins a sync."""
        given = read(MarketplaceSettings, request.data)
        begun = changing.change_settings(
            principal=principal_of(request), marketplace_id=marketplace_id, **given
        )
        return Response(ChangedMarketplace({"sync_id": begun}).data)


class CredentialOfMarketplace(APIView):
    @extend_schema(operation_id="replace_credential", request=Credential, responses={202: BegunSync})
    def put(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Replace the credential, after trying the new one at the host, and begin a sync with it."""
        given = read(Credential, request.data)
        return _begun(
            binding.replace_checked_credential(
                principal=principal_of(request), marketplace_id=marketplace_id, **given
            )
        )


class MoveOfMarketplace(APIView):
    @extend_schema(operation_id="confirm_move", request=NewAddress, responses={202: BegunSync})
    def post(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Read the repository from where its host says that it has gone, after trying it there, and begin a sync.

        On another host the stored credential is not sent: give one again.
        """
        given = read(NewAddress, request.data)
        return _begun(
            moving.confirm_move(principal=principal_of(request), marketplace_id=marketplace_id, **given)
        )


class SyncsOfMarketplace(APIView):
    @extend_schema(operation_id="list_syncs", parameters=[Page], responses=SyncRunList)
    def get(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """List the repository's syncs, the newest first, 25 at a time; `before` is the id to go on from."""
        found = bound.list_runs(
            principal=principal_of(request), marketplace_id=marketplace_id, **read(Page, request.query_params)
        )
        return Response(SyncRunList({"syncs": found}).data)

    @extend_schema(operation_id="begin_sync", request=None, responses={202: BegunSync})
    def post(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Begin a sync, unless one waits already."""
        return _begun(
            binding.sync_marketplace(principal=principal_of(request), marketplace_id=marketplace_id)
        )


class SyncById(APIView):
    @extend_schema(operation_id="get_sync", responses=SyncRunWithFindings)
    def get(self, request: Request, marketplace_id: UUID, sync_run_id: int, **_: object) -> Response:
        """Give one sync with its findings."""
        run, findings = bound.get_run(
            principal=principal_of(request), marketplace_id=marketplace_id, run_id=sync_run_id
        )
        return Response(SyncRunWithFindings({"sync": run, "findings": findings}).data)
