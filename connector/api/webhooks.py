"""Webhooks over REST: register one at the git host, see how to add it by hand, give it another secret."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from connector.api.marketplaces import WebhookHealth
from marketplaces.services import bound, webhook_setup


class WebhookByHand(serializers.Serializer[webhook_setup.ByHand]):
    url = serializers.CharField(help_text="where the git host is to deliver")
    provider = serializers.CharField()
    steps = serializers.ListField(
        child=serializers.CharField(), help_text="what to do at the git host, in order"
    )


class NewWebhookSecret(serializers.Serializer[dict[str, object]]):
    signing_token = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=200,
        write_only=True,
        help_text="the one that GitLab made (whsec_…); empty: a new secret is made",
    )
    at_once = serializers.BooleanField(
        required=False,
        default=False,
        help_text="the secret so far is good for a day more, unless this is set",
    )


class WebhookSecret(serializers.Serializer[webhook_setup.NewSecret]):
    webhook_url = serializers.CharField()
    webhook_secret = serializers.CharField(help_text="shown here once; empty when a signing token was given")
    former_until = serializers.DateTimeField(
        allow_null=True, help_text="how long the secret before this one is good"
    )


class WebhookOfMarketplace(APIView):
    @extend_schema(operation_id="get_webhook", responses=WebhookByHand)
    def get(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Say how to add the webhook at the git host by hand."""
        found = webhook_setup.by_hand(principal=principal_of(request), marketplace_id=marketplace_id)
        return Response(WebhookByHand(found).data)


class RegistrationOfWebhook(APIView):
    @extend_schema(operation_id="register_webhook", request=None, responses=WebhookHealth)
    def post(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Register the webhook through the provider's API, with the marketplace's token; repeated, it mends it."""
        principal = principal_of(request)
        webhook_setup.register_webhook(principal=principal, marketplace_id=marketplace_id)
        health = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id).webhook
        return Response(WebhookHealth(health).data)


class SecretOfWebhook(APIView):
    @extend_schema(
        operation_id="replace_webhook_secret", request=NewWebhookSecret, responses={201: WebhookSecret}
    )
    def post(self, request: Request, marketplace_id: UUID, **_: object) -> Response:
        """Give the webhook another secret: a new one, or the signing token that GitLab made."""
        given = read(NewWebhookSecret, request.data)
        made = webhook_setup.replace_secret(
            principal=principal_of(request),
            marketplace_id=marketplace_id,
            signing_token_secret=given["signing_token"],
            at_once=given["at_once"],
        )
        return Response(WebhookSecret(made).data, status=201)
