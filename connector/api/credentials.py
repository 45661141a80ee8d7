"""What a repository is read with, as it is given over REST: a token or password, or a GitHub App. It never comes out."""

from typing import Any

from rest_framework import serializers

from marketplaces.providers.github_app import LONGEST_KEY
from marketplaces.services import credentials


class GitHubApp(serializers.Serializer[dict[str, object]]):
    app_id = serializers.CharField(max_length=40, help_text="its App id or client id")
    private_key = serializers.CharField(
        max_length=LONGEST_KEY, write_only=True, help_text="the whole .pem file that GitHub gave"
    )
    installation_id = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=2**63 - 1,
        help_text="null: the one that is for the repository",
    )


class Credential(serializers.Serializer[dict[str, object]]):
    username = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=200,
        help_text="only where the host wants a certain one",
    )
    credential = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=2000,
        write_only=True,
        trim_whitespace=True,
    )
    github_app = GitHubApp(
        required=False, allow_null=True, default=None, help_text="in the place of a credential"
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Give the parts of the credential as the one value that services take."""
        app = given.pop("github_app")
        secret, username = given.pop("credential"), given.pop("username")
        if app is None:
            return {**given, "credential": credentials.Credential(secret, username)}
        if secret or username:
            raise serializers.ValidationError("Give a credential or a GitHub App, and not both.")
        installed = credentials.InstalledApp(app["app_id"], app["installation_id"])
        return {**given, "credential": credentials.Credential(app["private_key"], app=installed)}
