"""Steps of tests about collection: let time pass, collect, and look at what an organization keeps."""

import hashlib
import io
import tarfile
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from connector.install.collecting import collect
from connector.install.install_tokens import Redeemed
from connector.models import InstallToken
from marketplaces.manifest.digests import release_digest
from marketplaces.models import Blob, PluginListing, Release, ReleaseFile, SkillListing, Snapshot
from marketplaces.services.collecting import Collected
from skillport.scoping import HasOrganizationKey, within

LONG = timedelta(days=31)


def let_time_pass(organization: HasOrganizationKey, by: timedelta = LONG) -> None:
    """Make all that has happened until now this much older, for what collection asks about. Live tokens stay live."""
    with within(organization):
        Snapshot.objects.for_organization(organization).update(
            served_until=F("served_until") - by, imported_at=F("imported_at") - by
        )
        Blob.objects.for_organization(organization).update(claimed_at=F("claimed_at") - by)
        InstallToken.objects.for_organization(organization).update(redeemed_at=F("redeemed_at") - by)


def collect_all(organization: HasOrganizationKey) -> Collected:
    """Collect, wait until blobs may go, and collect them too. Gives the sum of what went."""
    first = collect(organization.pk)
    with within(organization):
        Blob.objects.for_organization(organization).update(claimed_at=Now() - timedelta(hours=1))
    second = collect(organization.pk)
    return Collected(
        snapshots=first.snapshots + second.snapshots,
        listings=first.listings + second.listings,
        releases=first.releases + second.releases,
        headers=first.headers + second.headers,
        blobs=first.blobs + second.blobs,
        blob_bytes=first.blob_bytes + second.blob_bytes,
    )


def damage(organization: HasOrganizationKey) -> list[str]:
    """Say which releases are not whole: as many files as the header says, or none when nothing lists it any more.

    That every file has its blob is for the database's key to say.
    """
    with within(organization):
        releases = list(Release.objects.for_organization(organization))
        files = ReleaseFile.objects.for_organization(organization)
        listed = {
            pk
            for model in (PluginListing, SkillListing)
            for pk in model.objects.for_organization(organization).values_list("release_id", flat=True)
        }
        found = []
        for release in releases:
            here = files.filter(release=release).count()
            wanted = release.file_count if release.pk in listed or not release.collected_at else 0
            if here != wanted:
                found.append(f"release {release} has {here} of {wanted} files")
        return found


def numbers(organization: HasOrganizationKey) -> list[int]:
    """Give the numbers of the snapshots that are there."""
    with within(organization):
        own = Snapshot.objects.for_organization(organization)
        return list(own.order_by("number").values_list("number", flat=True))


def is_whole(redeemed: Redeemed) -> bool:
    """Tell whether the bundle holds exactly what its digest says."""
    with tarfile.open(fileobj=io.BytesIO(redeemed.archive)) as tar:
        files = [
            (member.name, member.mode == 0o755, hashlib.sha256(tar.extractfile(member).read()).digest())  # type: ignore[union-attr]
            for member in tar.getmembers()
        ]
    return redeemed.digest == f"sha256:{release_digest(files).hex()}"
