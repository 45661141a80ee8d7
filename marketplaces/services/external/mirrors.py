"""The mirrors that a marketplace's catalog is planned from: trees and blobs of other repositories, out of the database."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from marketplaces.git.tree import TreeEntry
from marketplaces.manifest.external import External, Mirror, MirrorState
from marketplaces.manifest.repository import Repository
from marketplaces.models import Blob, ExternalFile, ExternalSource, Marketplace
from marketplaces.services.external.known import (
    MOST_SOURCES,
    Known,
    credentials_of,
    digest_of,
    hosts_of,
    known_of,
)
from marketplaces.services.storing import ReadMany
from skillport.scoping import within

MOST_FILES: Final = (
    60_000  # of all external sources of one marketplace: what a worker holds in memory at once
)

Key = tuple[str, str, str]  # url, ref, sha


class MirrorReplaced(Exception):
    """A mirror was made anew while it was read from. Whoever reads begins again, with the new one."""


class Mirrors:
    """What one reading of a marketplace's catalog sees of other repositories. `known` is what it has asked for."""

    def __init__(self, marketplace: Marketplace) -> None:
        self._organization_id = marketplace.organization_id
        with within(self._organization_id):
            self._credentials = credentials_of(marketplace)
        self._hosts = hosts_of(marketplace)
        self._sources: dict[Key, ExternalSource | None] = {}
        self._repositories: dict[int, Repository] = {}
        self._blobs: dict[str, int] = {}
        self._files_left = MOST_FILES
        self.known: list[Known] = []

    def find(self, plugin: str, external: External) -> Mirror:
        """Give what there is of an external plugin. What may be mirrored is remembered in `known`."""
        if external.host not in self._hosts:
            return Mirror(MirrorState.HOST_NOT_ALLOWED)
        key = (external.url, external.ref, external.sha)
        if key not in self._sources and len(self._sources) >= MOST_SOURCES:
            return Mirror(MirrorState.TOO_MANY)
        credential_id = self._credentials.get(external.host)
        source = self._source(key, credential_id)
        known = known_of(plugin, external, source, credential_id)
        self.known.append(known)
        if source is None or not known.commit:
            return Mirror(known.state, why=source.error_message if source else "")
        repository = self._repository(source)
        if repository is None:
            return Mirror(MirrorState.TOO_MANY)
        return Mirror(
            known.state, repository, source.error_message if known.state == MirrorState.STALE else ""
        )

    def digest(self) -> bytes:
        """Give the digest of what this reading knew."""
        return digest_of(self._hosts, self._credentials, self.known)

    def reading(self, otherwise: ReadMany) -> ReadMany:
        """Give a function that reads what the mirrors hold, and everything else by `otherwise`."""

        def read_many(git_ids: Sequence[str]) -> Sequence[bytes]:
            others = [git_id for git_id in git_ids if git_id not in self._blobs]
            contents = dict(zip(others, otherwise(others), strict=True))
            return [contents[git_id] if git_id in contents else self._read(git_id) for git_id in git_ids]

        return read_many

    def _source(self, key: Key, credential_id: UUID | None) -> ExternalSource | None:
        if key not in self._sources:
            url, ref, sha = key
            with within(self._organization_id):
                rows = ExternalSource.objects.for_organization(self._organization_id)
                found = rows.filter(url=url, ref=ref, sha=sha, credential_id=credential_id).first()
            self._sources[key] = found
        return self._sources[key]

    def _repository(self, source: ExternalSource) -> Repository | None:
        """Give the mirrored tree, None where it is too much beside the others."""
        if source.pk not in self._repositories:
            if source.file_count > self._files_left:
                return None
            self._files_left -= source.file_count
            self._repositories[source.pk] = Repository(self._entries(source), self._read)
        return self._repositories[source.pk]

    def _entries(self, source: ExternalSource) -> list[TreeEntry]:
        with within(self._organization_id):
            rows = ExternalFile.objects.for_organization(self._organization_id).filter(source=source)
            found = list(rows.values_list("path", "mode", "git_id", "size_bytes", "blob_id"))
        self._blobs.update({git_id: blob for _, _, git_id, _, blob in found if blob is not None})
        return [TreeEntry(bytes(path), mode, git_id, size) for path, mode, git_id, size, _ in found]

    def _read(self, git_id: str) -> bytes:
        with within(self._organization_id):
            rows = Blob.objects.for_organization(self._organization_id).filter(pk=self._blobs[git_id])
            content = rows.values_list("content", flat=True).first()
        if content is None:
            raise MirrorReplaced
        return bytes(content)
