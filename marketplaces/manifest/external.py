"""Sources outside the repository: which other repository has an entry's plugin, and at which commit."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from marketplaces.manifest import findings
from marketplaces.manifest.display import brief
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.marketplace_json import PATH, Entry
from marketplaces.manifest.paths import SourceRefused, folder_of
from marketplaces.manifest.report import Finding, NotServed
from marketplaces.manifest.repository import Repository
from skillport.outbound import AddressInvalid, Origin

_ADDRESS_CHARACTERS: Final = 490
_GITHUB: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}")
_SHA: Final = re.compile(r"[0-9a-f]{40}")
# They know a repository by both addresses; with one of them for all, it is mirrored once.
_WITH_GIT_SUFFIX: Final = ("github.com", "gitlab.com")


@dataclass(frozen=True, slots=True)
class External:
    """A folder ('' for all) of the repository at `url`: of the commit `sha`, or where that is '' of the head of `ref`."""

    url: str
    ref: str
    sha: str
    folder: str

    @property
    def host(self) -> str:
        return host_of(self.url)


class MirrorState(StrEnum):
    READY = "ready"
    STALE = "stale"  # an earlier commit is here, the newest one could not be had
    WAITING = "waiting"
    FAILED = "failed"
    HOST_NOT_ALLOWED = "host_not_allowed"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Mirror:
    """What there is of an external source: its `repository`, and `why` it is not there or not the newest: our own words, which also say what to do."""

    state: MirrorState
    repository: Repository | None = None
    why: str = ""


# Gives what there is of the external source of a plugin, by the plugin's name.
FindMirror = Callable[[str, External], Mirror]


def no_mirrors(plugin: str, external: External) -> Mirror:  # noqa: ARG001 one of several that are called alike
    """Know of none: for readers that have no place to keep any."""
    return Mirror(MirrorState.WAITING)


def read_external(entry: Entry) -> External:
    """Give where the entry's plugin is, or raise `NotServed`; the entry's source is an object.

    Source: Claude Code plugin-marketplace reference, checked 2026-11. A `sha` decides over a `ref`.
    """
    source = entry.source if isinstance(entry.source, dict) else {}
    kind = source.get("source", "unknown")
    if kind == "command":
        raise NotServed(findings.COMMAND_SOURCE_REFUSED.at(PATH, plugin=entry.name))
    if kind not in ("url", "github", "git-subdir"):
        raise NotServed(findings.EXTERNAL_SOURCE.at(PATH, plugin=entry.name, kind=brief(kind)))
    try:
        sha = _sha(source)
        return External(
            url=_url(source), ref="" if sha else _ref(source), sha=sha,
            folder=_folder(source) if kind == "git-subdir" else "",
        )  # fmt: skip
    except SourceRefused as refusal:
        raise NotServed(
            findings.EXTERNAL_SOURCE_REFUSED.at(PATH, plugin=entry.name, kind=kind, why=refusal.why)
        ) from None


def host_of(url: str) -> str:
    """Give the host of an address as an administrator allows it: with its port where that is not the usual one."""
    return Origin.parse(url).plain.partition("://")[2]


def finding_of(plugin: str, external: External, mirror: Mirror) -> Finding | None:
    """Say what is missing of an external plugin; None when nothing is."""
    kind = _KINDS.get(mirror.state)
    if kind is None:
        return None
    finding = kind.at(PATH, plugin=plugin, url=external.url, host=external.host)
    # Our own words, which say what to do: not cut as a fact of the repository would be.
    return replace(finding, remedy=mirror.why) if mirror.why else finding


_KINDS: Final = {
    MirrorState.STALE: findings.EXTERNAL_STALE,
    MirrorState.WAITING: findings.EXTERNAL_WAITING,
    MirrorState.FAILED: findings.EXTERNAL_FAILED,
    MirrorState.HOST_NOT_ALLOWED: findings.EXTERNAL_HOST_NOT_ALLOWED,
    MirrorState.TOO_MANY: findings.EXTERNAL_TOO_MANY,
}


def _text(source: Mapping[str, Json], key: str) -> str:
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SourceRefused(f"`{key}` is not a text")
    return value


def _url(source: Mapping[str, Json]) -> str:
    github = source.get("source") == "github"
    written = _text(source, "repo" if github else "url")
    # `git-subdir` takes an owner and a name as well.
    if github or (source.get("source") == "git-subdir" and _GITHUB.fullmatch(written)):
        if not _GITHUB.fullmatch(written):
            raise SourceRefused(
                "`repo` is not an owner and a repository of github.com, such as “acme/skills”"
            )
        written = f"https://github.com/{written}"
    return _normalised(written)


def _normalised(url: str) -> str:
    """Give one spelling for one address. Nothing of a refused one is said: it may hold a password."""
    try:
        origin = Origin.parse(url)
    except AddressInvalid:
        raise SourceRefused(
            "`url` is not an address that begins with https:// and holds no password"
        ) from None
    if "?" in url or "#" in url:
        raise SourceRefused("`url` has a ? or #, which no repository's address has")
    path = url.partition("://")[2].partition("/")[2].rstrip("/")
    if not path or len(url) > _ADDRESS_CHARACTERS or not url.isascii():
        raise SourceRefused("`url` is not the address of a repository")
    suffix = ".git" if origin.host in _WITH_GIT_SUFFIX and not path.endswith(".git") else ""
    return f"{origin.plain}/{path}{suffix}"


def _ref(source: Mapping[str, Json]) -> str:
    ref = _text(source, "ref").removeprefix("refs/heads/").removeprefix("refs/tags/")
    if ref and (not _REF.fullmatch(ref) or ".." in ref):
        raise SourceRefused("`ref` is not the name of a branch or tag")
    return ref


def _sha(source: Mapping[str, Json]) -> str:
    sha = _text(source, "sha").lower()
    if sha and not _SHA.fullmatch(sha):
        raise SourceRefused("`sha` is not the whole id of a commit, which has 40 hexadecimal digits")
    ref = _text(source, "ref").lower()
    return sha or (ref if _SHA.fullmatch(ref) else "")


def _folder(source: Mapping[str, Json]) -> str:
    try:
        return folder_of(_text(source, "path"))
    except SourceRefused as refusal:
        raise SourceRefused(f"`path` {refusal.why}") from None
