"""Findings of a run that goes on: they can be read while it is still reading, and stay when it fails."""

import time
from collections.abc import Sequence
from typing import Final

from marketplaces.manifest.report import Finding
from marketplaces.models import Phase, SyncFinding
from marketplaces.services import leases
from marketplaces.services.caps import LIMITS
from marketplaces.services.leases import Lease
from skillport.scoping import within

_WRITE_SECONDS: Final = 1


class Found:
    """What one run has found so far. Nothing is kept of a run that another worker has taken over."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._unwritten: list[Finding] = []
        self._count = 0
        self._written_at = time.monotonic()

    def add(self, finding: Finding) -> int | None:
        """Take up a finding. Gives how many there are when it was time to write them down. Raises `LeaseLost`."""
        self._count += 1
        if self._count <= LIMITS.findings:
            self._unwritten.append(finding)
        if time.monotonic() - self._written_at < _WRITE_SECONDS:
            return None
        with within(self._lease.organization_id):
            leases.report(self._lease, Phase.READING, found=self._count)
            _write(self._lease, self._unwritten)
        self._unwritten, self._written_at = [], time.monotonic()
        return self._count

    def settle(self, findings: Sequence[Finding]) -> None:
        """Keep these and no others: each once, the gravest where there are too many. Raises `LeaseLost`."""
        with within(self._lease.organization_id):
            leases.report(self._lease, Phase.READING, found=len(findings))
            SyncFinding.objects.for_organization(self._lease.organization_id).filter(
                sync_run_id=self._lease.sync_run_id
            ).delete()
            _write(self._lease, findings)


def _write(lease: Lease, findings: Sequence[Finding]) -> None:
    SyncFinding.objects.bulk_create(
        SyncFinding(
            organization_id=lease.organization_id, sync_run_id=lease.sync_run_id, severity=finding.severity,
            code=finding.code, path=finding.path[:500], reason=finding.reason, remedy=finding.remedy,
        )
        for finding in findings
    )  # fmt: skip
