"""The copy of a repository that is kept between syncs, so that a change costs what changed.

It is a cache and may vanish at any time. A partial copy can brick itself (a delta against a filtered blob), so any
failed fetch on it deletes it and fetches cold once; it is also made anew after 50 packs, at twice its first size and
when the limit changed. The number of the fence is in the folder's name: a worker that lost its lease keeps writing
to a folder that nobody reads any more.
"""

import contextlib
import json
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Final

from marketplaces.git.errors import DiskFull, FetchFailed, RepositoryTooLarge
from marketplaces.git.program import Connection, GitProgram

logger = logging.getLogger(__name__)

_MAX_PACKS: Final = 50
_MAX_GROWTH: Final = 2
_MARK: Final = "skillport.json"


class KeptCopy:
    """One marketplace's bare copy, taken over by the worker that holds `fence`."""

    def __init__(self, folder: Path, *, fence: int, program: GitProgram, blob_limit: int) -> None:
        self._folder = folder
        self._program = program
        self._blob_limit = blob_limit
        self.path = folder / f"{fence}.git"
        self._take_over(fence)

    def fetch(self, commit: str, connection: Connection) -> None:
        """Bring exactly `commit` into the copy, without its history and without blobs over the limit.

        Raises `FetchFailed` or `RepositoryTooLarge` when even a cold fetch fails.
        """
        warm = self._usable() and self._fetched_warm(commit, connection)
        if not warm:
            self._fetch_cold(commit, connection)
        try:
            self._mark(new=not warm)
        except OSError as error:  # else a newer worker has taken the copy over
            raise DiskFull if DiskFull.is_told_by(error) else FetchFailed from None

    def delete(self) -> None:
        """Forget the copy; the next fetch is a cold one."""
        # Put aside first: a folder in which somebody still writes cannot be removed at once, and would be in the way.
        aside = self._folder / f"{uuid.uuid4().hex}.gone"
        with contextlib.suppress(OSError):
            self.path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _take_over(self, fence: int) -> None:
        """Go on with what the newest older copy holds, and remove all older ones."""
        self._folder.mkdir(parents=True, exist_ok=True)
        older = sorted((int(path.stem), path) for path in self._folder.glob("*.git") if path.stem.isdigit())
        for number, path in reversed(older):
            if number < fence:
                if not self.path.exists():
                    self._go_on_with(path)
                shutil.rmtree(path, ignore_errors=True)
        for path in self._folder.glob("*.gone"):
            shutil.rmtree(path, ignore_errors=True)

    def _go_on_with(self, older: Path) -> None:
        """Link the files of an older copy into our own folder. Renaming would take along a git that still writes."""
        begun = self._folder / f"{uuid.uuid4().hex}.gone"
        unfinished = shutil.ignore_patterns("*.lock", "tmp_*")
        with contextlib.suppress(OSError):
            shutil.copytree(older, begun, copy_function=os.link, ignore=unfinished)
            begun.rename(self.path)

    def _usable(self) -> bool:
        """Tell whether fetching into the copy is worth a try."""
        try:
            mark = json.loads((self.path / _MARK).read_text())
            packs = [pack.stat().st_size for pack in (self.path / "objects" / "pack").glob("*.pack")]
            return bool(
                mark["blob_limit"] == self._blob_limit
                and len(packs) < _MAX_PACKS
                and sum(packs) <= _MAX_GROWTH * mark["first_bytes"]
            )
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def _fetched_warm(self, commit: str, connection: Connection) -> bool:
        try:
            self._fetch(commit, connection)
        except (FetchFailed, RepositoryTooLarge):
            logger.info("Fetching cold after a failed fetch into the kept copy")
            return False
        return True

    def _fetch_cold(self, commit: str, connection: Connection) -> None:
        self.delete()
        self.path.mkdir(parents=True)
        try:
            self._program.run(self.path, "init", "--quiet", "--bare")
            self._fetch(commit, connection)
        except (FetchFailed, RepositoryTooLarge):
            self.delete()  # with what git began to write
            raise

    def _fetch(self, commit: str, connection: Connection) -> None:
        self._program.run(
            self.path, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head",
            f"--filter=blob:limit={self._blob_limit}", connection.destination.url, f"+{commit}:refs/skillport/head",
            connection=connection,
        )  # fmt: skip

    def _mark(self, *, new: bool) -> None:
        """Write down what the copy began with. Before the mark is there, the copy counts as unusable."""
        mark = self.path / _MARK
        if new or not mark.exists():
            size = sum(pack.stat().st_size for pack in (self.path / "objects" / "pack").glob("*.pack"))
            mark.write_text(json.dumps({"blob_limit": self._blob_limit, "first_bytes": size}))
