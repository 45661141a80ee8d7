"""Bundles: the files of one release as a `.tar.gz`, the same bytes for everybody and for ever.

Regular files only, sorted by path, modes 644 and 755, no times and no owners. The release digest is not of the
archive but of what is in it (`marketplaces.manifest.digests`), so the installer checks the files themselves.
"""

import gzip
import io
import tarfile
from uuid import UUID

from connector.models import Bundle
from marketplaces.models import Blob
from marketplaces.services import catalog


def ensure_bundle(organization_id: UUID, release_id: int) -> None:
    """Build and keep the release's bundle, unless that was done before. Inside the caller's own `within`."""
    bundles = Bundle.objects.for_organization(organization_id)
    if not bundles.filter(release_id=release_id).exists():
        archive = _build(organization_id, release_id)
        # Two members may ask at once; both have built the same bytes.
        Bundle.objects.bulk_create(
            [Bundle(organization_id=organization_id, release_id=release_id, archive=archive)],
            ignore_conflicts=True,
        )


def forget_bundles(organization_id: UUID, release_ids: list[int]) -> None:
    """Delete the bundles of releases whose files go. Inside the caller's own `within`."""
    Bundle.objects.for_organization(organization_id).filter(release_id__in=release_ids).delete()


def archive_of(organization_id: UUID, release_id: int) -> bytes:
    """Give the kept archive. Inside the caller's own `within`."""
    bundles = Bundle.objects.for_organization(organization_id)
    return bytes(bundles.values_list("archive", flat=True).get(release_id=release_id))


def _build(organization_id: UUID, release_id: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in catalog.files_of(organization_id, release_id):
            content = content_of(organization_id, file.blob_id)
            member = tarfile.TarInfo(file.path)
            member.size = len(content)
            member.mode = 0o755 if file.executable else 0o644
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), compresslevel=9, mtime=0)


def content_of(organization_id: UUID, blob_id: int) -> bytes:
    """Give one blob's bytes. Inside the caller's own `within`, for a file of a release that was authorized."""
    return bytes(
        Blob.objects.for_organization(organization_id).values_list("content", flat=True).get(pk=blob_id)
    )
