"""Symbolic links, followed in the listing alone: nothing is ever unpacked, so no file system decides where one leads."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from marketplaces.git.tree import SYMLINK, TreeEntry
from marketplaces.manifest import findings
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.names import NameRefused, checked_path
from marketplaces.manifest.report import Finding, NotServed
from marketplaces.manifest.repository import Repository, is_below, joined


class Found(NamedTuple):
    """A file and its place in the plugin, which is not its own path when a link leads to it."""

    place: bytes
    entry: TreeEntry


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """What stands at a place in the plugin but is not served, and why."""

    place: bytes
    finding: Finding


class LinkBudgetSpent(Exception):
    """Links have added as many files as they may in one catalog."""


class LinkBudget:
    """How many entries the links of a whole catalog may still add: nested links multiply, this does not."""

    def __init__(self, entries: int) -> None:
        self.left = entries

    def spend(self) -> None:
        """Count one entry, or raise `LinkBudgetSpent`."""
        if self.left <= 0:
            raise LinkBudgetSpent
        self.left -= 1


class Links:
    """The links of the plugin at `root`. None of them may lead out of it."""

    def __init__(self, repository: Repository, root: bytes, limits: Limits, budget: LinkBudget) -> None:
        self._repository = repository
        self._root = root
        self._limits = limits
        self._budget = budget

    def files(
        self, entry: TreeEntry, place: bytes, behind: tuple[bytes, ...] = ()
    ) -> Iterator[Found | RefusedFile]:
        """Give the files that `entry` stands for at `place`: itself, or everything where a link leads.

        `behind` are the paths of the links that led here. Raises `LinkBudgetSpent` somewhere on the way.
        """
        if entry.mode != SYMLINK:
            yield Found(place, entry)
            return
        behind = (*behind, entry.path)
        try:
            end = self._end(entry, place, behind)
        except NotServed as refusal:
            yield RefusedFile(place, refusal.finding)
            return
        file = self._repository.entry(end)
        for inner in [file] if file else self._repository.below(end):
            self._budget.spend()
            yield from self.files(inner, place + inner.path.removeprefix(end), behind)

    def _end(self, link: TreeEntry, place: bytes, behind: tuple[bytes, ...]) -> bytes:
        path = joined(self._root, place)
        try:
            # First of all, because the depth that it allows is what ends folders that link to each other.
            checked_path(place)
        except NameRefused as refusal:
            raise NotServed(findings.NAME_REFUSED.at(path, why=refusal.why)) from None
        end = self._walk(link, path)
        if any(is_below(passed, end) for passed in behind):
            raise NotServed(findings.LINK_CIRCULAR.at(path, hops=self._limits.link_hops))
        return end

    def _walk(self, link: TreeEntry, path: bytes) -> bytes:
        """Give the path of the file or folder where `link` ends, as a file system would find it."""
        here = link.path.split(b"/")[:-1]
        top = len(self._root.split(b"/")) if self._root else 0
        ahead = deque(self._target(link, path))
        hops = 1
        while ahead:
            segment = ahead.popleft()
            if segment in {b"", b"."}:
                continue
            if segment == b"..":
                if len(here) == top:
                    raise NotServed(findings.LINK_LEAVES_PLUGIN.at(path))
                here.pop()
                continue
            step = b"/".join([*here, segment])
            entry = self._repository.entry(step)
            if entry is not None and entry.mode == SYMLINK:
                hops += 1
                if hops > self._limits.link_hops:
                    raise NotServed(findings.LINK_CIRCULAR.at(path, hops=self._limits.link_hops))
                ahead.extendleft(reversed(self._target(entry, path)))
            elif entry is not None or self._repository.has_folder(step):
                here.append(segment)
            else:
                raise NotServed(findings.LINK_DANGLING.at(path, target=step))
        return b"/".join(here)

    def _target(self, link: TreeEntry, path: bytes) -> list[bytes]:
        if link.size_bytes is None or link.size_bytes > self._limits.link_target_bytes:
            raise NotServed(findings.LINK_TOO_LONG.at(path))
        target = self._repository.read(link.git_id)
        if target.startswith(b"/"):
            raise NotServed(findings.LINK_ABSOLUTE.at(path))
        segments = target.split(b"/")
        if len(segments) > self._limits.link_target_segments:
            raise NotServed(findings.LINK_TOO_LONG.at(path))
        return segments
