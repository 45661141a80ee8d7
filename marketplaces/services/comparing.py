"""What changed between two snapshots of a marketplace: by plugin and skill, then file by file.

A plugin's files hold those of its skills; each is shown once, with its skill. Everything is capped, and what is left
out says so: a repository decides how much differs, and a page or an answer has to end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from marketplaces.models import Blob, ReleaseFile
from marketplaces.services import changes, snapshots
from marketplaces.services.changes import Change, Listed, What
from marketplaces.services.file_diff import MOST_BYTES, Effort, FileDiff, Line, Shown, diff, visible
from marketplaces.services.snapshots import Kept
from skillport.errors import NotFound
from skillport.permissions import Permission, require
from skillport.principal import Principal
from skillport.scoping import within

MOST_THINGS: Final = 500  # plugins and skills with their files; more are only counted
MOST_FILES: Final = 500  # named, in all
MOST_LINES: Final = 5_000  # shown, in all
MOST_CONTENT: Final = 4 * 2**20  # bytes read for it
MOST_LISTED: Final = 100_000  # files of releases that are looked through


@dataclass(frozen=True, slots=True)
class File:
    """A file of a release. `digest` is SHA-256 in hexadecimal."""

    blob_id: int
    executable: bool
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file that differs. `before` or `after` is None where it is not there. `mode` is '' or says what became of it."""

    path: str
    what: What
    before: File | None
    after: File | None
    mode: str
    diff: FileDiff

    @property
    def visible_path(self) -> str:
        return visible(self.path)

    @property
    def shown(self) -> Shown:
        return self.diff.shown

    @property
    def lines(self) -> list[Line]:
        return self.diff.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingChange:
    """A plugin or skill that differs. `told` names what is said differently of it beside its files.

    `files_left_out`: more of its files differ than are listed here. `files_gone`: those of an old release are no longer
    kept, so that nothing can be said of them.
    """

    what: What
    kind: str
    plugin: str
    name: str
    was: str
    version_before: str
    version_after: str
    told: list[str]
    files: list[FileChange]
    files_left_out: bool
    files_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that differs. `left_out` counts plugins and skills beyond those that are listed."""

    older: Kept
    newer: Kept
    things: list[ThingChange]
    left_out: int
    words: str


def compare_snapshots(
    *, principal: Principal, marketplace_id: UUID, older: int, newer: int, plugin: str = ""
) -> Comparison:
    """Give what changes on the way from snapshot `older` to `newer`; either may have the larger number.

    `plugin` narrows it to one plugin, by its newer name. Raises `NotAllowed` or `NotFound`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        rows = snapshots.kept_of(principal, marketplace_id).filter(number__in=[older, newer])
        kept = {row.number: row for row in rows}
        if not {older, newer} <= kept.keys():
            raise NotFound
        renames = kept[max(older, newer)].renames
        if newer < older:
            renames = {new: old for old, new in renames.items()}
        found = changes.between(principal.organization_id, marketplace_id, older, newer, renames)
        if plugin:
            found = [one for one in found if one.newest.plugin == plugin]
        counted = changes.read_summary(changes.summary(found, since=older))
        files = _Files(principal.organization_id)
        folders = _Folders(principal.organization_id, marketplace_id, older, newer, found[:MOST_THINGS])
        drafts = [_draft(one, files, folders) for one in found[:MOST_THINGS]]
        contents = _contents(principal.organization_id, drafts)
    effort = _Showing(contents)
    return Comparison(
        older=snapshots.shape(kept[older]),
        newer=snapshots.shape(kept[newer]),
        things=[_thing(one, effort) for one in drafts],
        left_out=max(len(found) - MOST_THINGS, 0),
        words=counted.words if counted else "",
    )


# --- which files differ -----------------------------------------------------------------------------------------------

_Pair = tuple[str, File | None, File | None]  # path, before, after


@dataclass(frozen=True, slots=True)
class _Draft:
    """A change with the files that differ, unread. `listed` is False where they were too many to look through."""

    change: Change
    pairs: list[_Pair]
    listed: bool
    gone: bool


class _Files:
    """The files of releases by path, each release read once, as long as they are not too many."""

    def __init__(self, organization_id: UUID) -> None:
        self._organization_id = organization_id
        self._known: dict[int, dict[str, File]] = {}
        self._left = MOST_LISTED

    def of(self, one: Listed | None) -> dict[str, File] | None:
        """Give the files; none for what is not there, None when too many have been read already."""
        if one is None:
            return {}
        if one.release_id not in self._known:
            if one.files > self._left:
                return None
            self._left -= one.files
            rows = ReleaseFile.objects.for_organization(self._organization_id).filter(
                release_id=one.release_id
            )
            told = rows.values_list("path", "blob_id", "executable", "blob__size_bytes", "blob__digest")
            self._known[one.release_id] = {
                path: File(blob_id, executable, size, bytes(digest).hex())
                for path, blob_id, executable, size, digest in told
            }
        return self._known[one.release_id]


class _Folders:
    """Where each plugin that differs keeps its skills, before and after: what lies there is shown with the skill."""

    def __init__(
        self, organization_id: UUID, marketplace_id: UUID, older: int, newer: int, found: Iterable[Change]
    ) -> None:
        sides = [(older, [one.before for one in found]), (newer, [one.after for one in found])]
        self._of: dict[tuple[int, str], tuple[str, ...]] = {}
        for side, (number, listed) in enumerate(sides):
            plugins = {one.plugin for one in listed if one and not one.skill}
            folders: dict[str, list[str]] = {}
            for skill in changes.listed_in(organization_id, marketplace_id, number, plugins):
                folders.setdefault(skill.plugin, []).append(f"{skill.folder}/" if skill.folder else "")
            self._of.update({(side, name): tuple(some) for name, some in folders.items()})

    def hold(self, change: Change, path: str) -> bool:
        """Tell whether the path lies in the folder of a skill that the plugin has, before or after."""
        sides = enumerate((change.before, change.after))
        return any(path.startswith(self._of.get((side, one.plugin), ())) for side, one in sides if one)


def _draft(change: Change, files: _Files, folders: _Folders) -> _Draft:
    before, after = files.of(change.before), files.of(change.after)
    if before is None or after is None:
        return _Draft(change, [], listed=False, gone=False)
    sides = ((change.before, before), (change.after, after))
    if any(one is not None and one.files != len(found) for one, found in sides):
        return _Draft(change, [], listed=True, gone=True)
    pairs = [
        (path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and (change.newest.skill or not folders.hold(change, path))
    ]
    return _Draft(change, pairs, listed=True, gone=False)


# --- what differs in them ---------------------------------------------------------------------------------------------


def _contents(organization_id: UUID, drafts: Iterable[_Draft]) -> dict[int, bytes]:
    """Read what will be compared, of the first files of all, until it is enough."""
    wanted: dict[int, int] = {}
    for _, before, after in _first_files(drafts):
        sizes = {one.blob_id: one.size_bytes for one in (before, after) if one}
        if max(sizes.values()) > MOST_BYTES:
            continue  # it would not be shown
        if sum({**wanted, **sizes}.values()) > MOST_CONTENT:
            break
        wanted.update(sizes)
    blobs = Blob.objects.for_organization(organization_id).filter(pk__in=wanted)
    return {pk: bytes(content) for pk, content in blobs.values_list("pk", "content")}


def _first_files(drafts: Iterable[_Draft]) -> Iterator[_Pair]:
    pairs = [pair for draft in drafts for pair in draft.pairs]
    yield from pairs[:MOST_FILES]


class _Showing:
    """Compares file after file until enough is shown."""

    def __init__(self, contents: Mapping[int, bytes]) -> None:
        self._contents = contents
        self._effort = Effort()
        self._lines_left = MOST_LINES
        self.files_left = MOST_FILES

    def diff(self, before: File | None, after: File | None) -> FileDiff:
        if before and after and before.blob_id == after.blob_id:
            return FileDiff(Shown.SAME)
        if self._lines_left <= 0 or not all(one.blob_id in self._contents for one in (before, after) if one):
            return FileDiff(Shown.TOO_LARGE)
        old, new = (self._contents[one.blob_id] if one else b"" for one in (before, after))
        found = diff(old, new, self._effort)
        if len(found.lines) > self._lines_left:
            return FileDiff(Shown.TOO_LARGE, added=found.added, deleted=found.deleted)
        self._lines_left -= len(found.lines)
        return found


def _thing(draft: _Draft, showing: _Showing) -> ThingChange:
    change = draft.change
    shown = draft.pairs[: max(showing.files_left, 0)]
    showing.files_left -= len(shown)
    return ThingChange(
        what=change.what,
        kind="skill" if change.newest.skill else "plugin",
        plugin=change.newest.plugin,
        name=change.newest.name,
        was=change.was,
        version_before=change.before.version if change.before else "",
        version_after=change.after.version if change.after else "",
        told=change.told,
        files=[_file(path, before, after, showing) for path, before, after in shown],
        files_left_out=not draft.listed or len(shown) < len(draft.pairs),
        files_gone=draft.gone,
    )


def _file(path: str, before: File | None, after: File | None, showing: _Showing) -> FileChange:
    what = What.CHANGED if before and after else What.ADDED if after else What.REMOVED
    mode = ""
    if after and after.executable and not (before and before.executable):
        mode = "executable"
    elif before and after and before.executable and not after.executable:
        mode = "no longer executable"
    found = showing.diff(before, after)
    return FileChange(path=path, what=what, before=before, after=after, mode=mode, diff=found)
