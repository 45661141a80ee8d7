"""`POST /hooks/<marketplace-id>`: a git host says that something was pushed.

What it says is not trusted, and is not needed: a valid signature queues a sync, and the worker asks the host for the
newest commit itself. So lost, repeated and reordered deliveries do no harm.
"""

import hashlib
import hmac
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from marketplaces.models import Marketplace, Trigger
from marketplaces.services.queue import request_sync
from skillport.errors import NotFound, SkillportError
from skillport.principal import Door, SystemActor
from skillport.scoping import across_organizations


class SignatureInvalid(SkillportError):
    code = "signature_invalid"
    status = 401
    message = "The signature of this delivery is missing or wrong. Enter the webhook's secret again at the git host."


@csrf_exempt
@require_POST
def receive(request: HttpRequest, marketplace_id: UUID) -> HttpResponse:
    """Accept a delivery signed with the marketplace's secret: 202, or 401 and 404 with what to do."""
    try:
        organization_id, secret = _find(marketplace_id)
        if not _is_signed(request, secret):
            raise SignatureInvalid
        request_sync(
            organization=organization_id,
            marketplace_id=marketplace_id,
            trigger=Trigger.WEBHOOK,
            actor=SystemActor(organization_id=organization_id, what="webhook", door=Door.WEBHOOK),
        )
    except SkillportError as error:
        return JsonResponse(error.as_json(), status=error.status)
    return JsonResponse({"accepted": True}, status=202)


def _find(marketplace_id: UUID) -> tuple[UUID, str]:
    with across_organizations(reason="a webhook's address names only the marketplace"):
        marketplace = Marketplace.objects.all_organizations().filter(pk=marketplace_id).first()
        if marketplace is None:
            raise NotFound
        return marketplace.organization_id, marketplace.webhook_secret.open()


def _is_signed(request: HttpRequest, secret: str) -> bool:
    """Check GitHub's signature over the raw body, or GitLab's shared token."""
    if token := request.headers.get("X-Gitlab-Token"):
        return hmac.compare_digest(token.encode(), secret.encode())
    signed = request.headers.get("X-Hub-Signature-256", "")
    expected = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signed.encode(), expected.encode())
