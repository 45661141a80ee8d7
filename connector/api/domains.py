"""Domains over REST."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from skillport.organizations.services import domains


class Domain(serializers.Serializer[domains.Domain]):
    id = serializers.UUIDField()
    domain = serializers.CharField()
    state = serializers.ChoiceField(choices=[(state, state.value) for state in domains.State])
    record_names = serializers.ListField(
        child=serializers.CharField(), help_text="the names at any one of which the TXT record may stand"
    )
    record_text = serializers.CharField(help_text="the text of the TXT record")
    created_at = serializers.DateTimeField()
    verified_at = serializers.DateTimeField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    lapsed_at = serializers.DateTimeField(allow_null=True)


class DomainList(serializers.Serializer[dict[str, object]]):
    domains = Domain(many=True)


class NewDomain(serializers.Serializer[dict[str, object]]):
    domain = serializers.CharField(max_length=domains.LONGEST_DOMAIN)


class Domains(APIView):
    @extend_schema(operation_id="list_domains", responses=DomainList)
    def get(self, request: Request, **_: object) -> Response:
        """List the organization's domains, each with the record that proves it."""
        return Response(DomainList({"domains": domains.list_domains(principal=principal_of(request))}).data)

    @extend_schema(operation_id="claim_domain", request=NewDomain, responses={201: Domain})
    def post(self, request: Request, **_: object) -> Response:
        """Put a domain into the list. It admits nobody before it is verified."""
        given = read(NewDomain, request.data)
        made = domains.claim_domain(principal=principal_of(request), now=timezone.now(), **given)
        return Response(Domain(made).data, status=201)


class DomainById(APIView):
    @extend_schema(operation_id="get_domain", responses=Domain)
    def get(self, request: Request, domain_id: UUID, **_: object) -> Response:
        """Give one domain with the record that proves it."""
        return Response(Domain(domains.get_domain(principal=principal_of(request), domain_id=domain_id)).data)

    @extend_schema(operation_id="release_domain", responses={204: None})
    def delete(self, request: Request, domain_id: UUID, **_: object) -> Response:
        """Give a domain up, with the rules that admit its people."""
        domains.release_domain(principal=principal_of(request), domain_id=domain_id, now=timezone.now())
        return Response(status=204)


class VerifyDomain(APIView):
    @extend_schema(operation_id="verify_domain", request=None, responses=Domain)
    def post(self, request: Request, domain_id: UUID, **_: object) -> Response:
        """Look for the record now, for at most five seconds. A verified domain whose record is gone lapses."""
        found = domains.verify_domain(
            principal=principal_of(request), domain_id=domain_id, now=timezone.now()
        )
        return Response(Domain(found).data)
