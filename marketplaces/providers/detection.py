"""Whose programming interface a git host has: by its name, else by what it answers to anybody."""

from typing import Final

from marketplaces.providers.api import Kind, Provider
from marketplaces.providers.github import GitHub
from marketplaces.providers.gitlab import GitLab
from skillport.outbound import HostUnreachable, Origin, Outbound

_PROBE_SECONDS: Final = 5.0
_MAX_BYTES: Final = 256 * 1024
# A header of every answer of its API, also of "you must sign in".
_MARKS: Final = (
    ("/api/v4/version", "x-gitlab-meta", Kind.GITLAB),
    ("/api/v3/meta", "x-github-request-id", Kind.GITHUB),
)
_NAMED: Final = {"github.com": Kind.GITHUB, "gitlab.com": Kind.GITLAB}


def detect(url: str, outbound: Outbound) -> Kind:
    """Tell whose API the host of a repository has, asking it without any credential where its name does not say.

    NOT_ASKED when it did not answer. Raises `AddressInvalid`.
    """
    origin = Origin.parse(url)
    if kind := by_name(url):
        return kind
    try:
        for path, mark, kind in _MARKS:
            answer = outbound.request(
                "GET", f"{origin.plain}{path}", headers={"User-Agent": "skillport"}, max_bytes=_MAX_BYTES,
                deadline_seconds=_PROBE_SECONDS,
            )  # fmt: skip
            if mark in answer.headers:
                return kind
    except HostUnreachable:
        return Kind.NOT_ASKED
    return Kind.OTHER


def by_name(url: str) -> Kind:
    """Tell whose host it is where its name says so; NOT_ASKED where it does not. Raises `AddressInvalid`."""
    host = Origin.parse(url).host
    return Kind.GITHUB if host.endswith(".ghe.com") else _NAMED.get(host, Kind.NOT_ASKED)


def provider_of(kind: Kind) -> Provider | None:
    """Give who speaks with such a host; None where nobody can."""
    speakers: dict[Kind, Provider] = {Kind.GITHUB: GitHub(), Kind.GITLAB: GitLab()}
    return speakers.get(kind)
