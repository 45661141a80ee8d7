"""`POST /hooks/<marketplace-id>`: a git host says that something was pushed."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from marketplaces.services.deliveries import Outcome
from marketplaces.services.deliveries import receive as receive_delivery
from skillport.errors import SkillportError


@csrf_exempt
@require_POST
def receive(request: HttpRequest, marketplace_id: UUID) -> HttpResponse:
    """Answer 202 to a genuine delivery, saying whether it begins a sync; 200 to a ping; 401 to every other.

    What is larger than 4 MiB, or slower than 20 seconds, has not come this far (`skillport/bodies.py`).
    """
    try:
        outcome = receive_delivery(
            marketplace_id=marketplace_id, headers=request.headers, body=request.body, now=timezone.now()
        )
    except SkillportError as error:
        return JsonResponse(error.as_json(), status=error.status, headers=error.headers)
    status = 200 if outcome is Outcome.PING else 202
    return JsonResponse({"accepted": outcome is Outcome.QUEUED, "outcome": outcome}, status=status)
