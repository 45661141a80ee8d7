"""The shapes of the REST API, in and out; OpenAPI is generated from them."""

from rest_framework import serializers

from connector.install.fetching import FetchedSkill
from marketplaces.services.catalog import LONGEST_PAGE, PAGE, Page, SkillSummary
from marketplaces.services.updates import MOST_INSTALLED, Checked, Installed, State


class SkillQuery(serializers.Serializer[dict[str, object]]):
    query = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    marketplace = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    cursor = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=LONGEST_PAGE)


class SkillInList(serializers.Serializer[SkillSummary]):
    name = serializers.CharField()
    plugin = serializers.CharField()
    marketplace = serializers.CharField()
    version = serializers.CharField()
    description = serializers.CharField()
    digest = serializers.CharField(help_text="sha256:<64 hex> of the exact files")


class SkillPage(serializers.Serializer[Page]):
    skills = SkillInList(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class FileInSkill(serializers.Serializer[object]):
    path = serializers.CharField()
    size_bytes = serializers.IntegerField()
    executable = serializers.BooleanField()
    sha256 = serializers.SerializerMethodField()

    def get_sha256(self, file: object) -> str:
        return bytes(file.digest).hex()  # type: ignore[attr-defined]


class SkillDetail(serializers.Serializer[FetchedSkill]):
    skill = SkillInList()
    files = FileInSkill(many=True)
    skill_md = serializers.CharField(source="text", allow_null=True, help_text="the text of SKILL.md")


class InstalledSkill(serializers.Serializer[Installed]):
    name = serializers.CharField(max_length=300, help_text="skill, plugin/skill or marketplace/plugin/skill")
    version = serializers.CharField(required=False, default="", allow_blank=True, max_length=100)
    digest = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=80, help_text="tells more than the version"
    )


class InstalledSkills(serializers.Serializer[dict[str, object]]):
    installed = serializers.ListField(child=InstalledSkill(), min_length=1, max_length=MOST_INSTALLED)


class CheckedSkill(serializers.Serializer[Checked]):
    name = serializers.CharField(help_text="as it was asked for")
    state = serializers.ChoiceField([state.value for state in State])
    skill = SkillInList(allow_null=True, help_text="what there is of it now")
    candidates = serializers.ListField(
        child=serializers.CharField(),
        help_text="the names to choose from, where several skills have that one",
    )


class CheckedSkills(serializers.Serializer[dict[str, object]]):
    skills = CheckedSkill(many=True)


class RedeemRequest(serializers.Serializer[dict[str, str]]):
    token = serializers.CharField(max_length=100, trim_whitespace=True)
    redemption_key = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=200,
        help_text="A random text of the client's own: the same one may repeat a broken download for two minutes.",
    )  # fmt: skip
