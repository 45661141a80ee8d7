"""The REST API: skills to read, install tokens to redeem."""

import base64
import io
import tarfile
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connector.api.authentication import principal_of
from connector.api.fields import read
from connector.api.serializers import (
    CheckedSkills,
    InstalledSkills,
    RedeemRequest,
    SkillDetail,
    SkillPage,
    SkillQuery,
)
from connector.credentials import require
from connector.install.fetching import fetch_skill
from connector.install.install_tokens import Redeemed, redeem_install_token
from marketplaces.services import catalog
from marketplaces.services.updates import Installed, check_updates
from skillport.principal import Scope


class Skills(APIView):
    @extend_schema(operation_id="list_skills", parameters=[SkillQuery], responses=SkillPage)
    def get(self, request: Request, organization: str) -> Response:  # noqa: ARG002 part of the address
        """List the skills that the key's owner may use, in the order of their names."""
        principal = principal_of(request)
        require(principal, Scope.SKILLS_READ)
        page = catalog.list_skills(principal=principal, **read(SkillQuery, request.query_params))
        return Response(SkillPage(page).data)


class SkillByName(APIView):
    @extend_schema(operation_id="get_skill", responses=SkillDetail)
    def get(self, request: Request, organization: str, name: str) -> Response:  # noqa: ARG002 part of the address
        """Give one skill by `skill`, `plugin/skill` or `marketplace/plugin/skill`, with its files and its SKILL.md."""
        principal = principal_of(request)
        require(principal, Scope.SKILLS_READ)
        return Response(SkillDetail(fetch_skill(principal=principal, name=name)).data)


class CheckUpdates(APIView):
    @extend_schema(operation_id="check_updates", request=InstalledSkills, responses=CheckedSkills)
    def post(self, request: Request, organization: str) -> Response:  # noqa: ARG002 part of the address
        """Say what has become of installed skills: current, newer, renamed, withdrawn, ambiguous or unknown."""
        principal = principal_of(request)
        require(principal, Scope.SKILLS_READ)
        given = read(InstalledSkills, request.data)["installed"]
        checked = check_updates(principal=principal, installed=[Installed(**one) for one in given])
        return Response(CheckedSkills({"skills": checked}).data)


class _ByInstallToken(APIView):
    """The install token is the whole credential: no key, no cookie."""

    authentication_classes = ()
    permission_classes = ()


class Redeem(_ByInstallToken):
    @extend_schema(
        operation_id="redeem_install_token",
        request=RedeemRequest,
        responses={(200, "application/gzip"): OpenApiResponse(bytes, "the skill's files as .tar.gz")},
    )
    def post(self, request: Request) -> HttpResponse:
        """Exchange an install token for the skill's files. Name, version and release digest are in the headers."""
        given = read(RedeemRequest, request.data)
        redeemed = redeem_install_token(secret=given["token"], redemption_key=given["redemption_key"])
        return HttpResponse(redeemed.archive, content_type="application/gzip", headers=_headers(redeemed))


class RedeemByAddress(_ByInstallToken):
    http_method_names = ("get",)  # HEAD would spend the token and give nothing

    @extend_schema(
        operation_id="redeem_install_token_by_address",
        responses={200: OpenApiResponse(dict[str, Any], "the skill's files inside JSON")},
    )
    def get(self, request: Request, token: str) -> Response:  # noqa: ARG002 the address has it all
        """Do the same with the token in the address, for scripts of before: files as JSON, binary ones as base64."""
        redeemed = redeem_install_token(secret=token)
        told = {
            "skill": {"name": redeemed.skill, "version": redeemed.version, "digest": redeemed.digest},
            "plugin": {"name": redeemed.plugin},
            "files": _files(redeemed.archive),
        }
        return Response(told, headers=_headers(redeemed))


def _headers(redeemed: Redeemed) -> dict[str, str]:
    return {
        "X-Skillport-Skill": redeemed.skill,
        "X-Skillport-Plugin": redeemed.plugin,
        "X-Skillport-Version": redeemed.version,
        "X-Skillport-Digest": redeemed.digest,
    }


def _files(archive: bytes) -> list[dict[str, Any]]:
    files = []
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            stream = tar.extractfile(member)
            content = stream.read() if stream else b""
            try:
                body = {"content": content.decode()}
            except UnicodeDecodeError:
                body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
            files.append({"path": member.name, "executable": bool(member.mode & 0o100), **body})
    return files
