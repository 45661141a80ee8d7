"""The files of one plugin: which are served, which are refused and why."""

from collections.abc import Iterable

from marketplaces.git.tree import EXECUTABLE, SUBMODULE, SYMLINK
from marketplaces.manifest import findings
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.links import Found, LinkBudget, LinkBudgetSpent, Links, RefusedFile
from marketplaces.manifest.names import NameRefused, checked_path
from marketplaces.manifest.plan import PlannedFile
from marketplaces.manifest.report import NotServed
from marketplaces.manifest.repository import Repository, joined, span_below
from marketplaces.manifest.skill_index import SkillIndex
from marketplaces.manifest.spellings import Spellings


class PluginFiles:
    """Everything below a plugin's root, links resolved. Paths and folders are relative to that root; '' is it."""

    def __init__(
        self, root: bytes, served: Iterable[tuple[PlannedFile, bytes]], refused: Iterable[RefusedFile]
    ) -> None:
        self._root = root
        self._origins = dict(served)
        self.files = tuple(self._origins)
        self.refused = tuple(sorted(refused, key=lambda file: file.place))
        self.by_path = {file.path: file for file in self.files}
        self._paths = [path.encode() for path in self.by_path]
        self._refused_places = [file.place for file in self.refused]
        self.skill_index = SkillIndex([*self._paths, *self._refused_places])
        self._moved: dict[str, tuple[PlannedFile, ...]] = {}

    def below(self, folder: str) -> tuple[PlannedFile, ...]:
        """Give the served files below `folder`, with paths relative to the plugin, sorted."""
        return self.files[span_below(self._paths, folder.encode())]

    def moved(self, folder: str) -> tuple[PlannedFile, ...]:
        """Give the served files below `folder`, with paths relative to it, sorted. Many plugins may share them."""
        if not folder:
            return self.files
        if folder not in self._moved:
            self._moved[folder] = tuple(
                file._replace(path=file.path[len(folder) + 1 :]) for file in self.below(folder)
            )
        return self._moved[folder]

    def refused_below(self, folder: str) -> tuple[RefusedFile, ...]:
        """Give what is refused below `folder`, sorted by path."""
        return self.refused[span_below(self._refused_places, folder.encode())]

    def in_repository(self, path: str) -> bytes:
        """Give the path from the repository's root."""
        return self.from_root(path.encode())

    def from_root(self, place: bytes) -> bytes:
        """Give the path from the repository's root of a place whose name may be refused."""
        return joined(self._root, place)

    def origin(self, file: PlannedFile) -> bytes:
        """Give the path from the repository's root where the content of `file` is, behind any links."""
        return self._origins[file]


def list_plugin_files(repository: Repository, root: bytes, limits: Limits, budget: LinkBudget) -> PluginFiles:
    """Sort everything below `root` into served and refused. Raises `NotServed` when it is too much for one plugin."""
    found, refused = _followed(repository, root, limits, budget)
    served: list[tuple[PlannedFile, bytes]] = []
    spellings = Spellings()
    for file in sorted(found, key=lambda file: file.place):
        try:
            served.append((_planned(file, root, repository, limits, spellings), file.entry.path))
        except NotServed as refusal:
            refused.append(RefusedFile(file.place, refusal.finding))
    return PluginFiles(root, served, refused)


def _followed(
    repository: Repository, root: bytes, limits: Limits, budget: LinkBudget
) -> tuple[list[Found], list[RefusedFile]]:
    links = Links(repository, root, limits, budget)
    found: list[Found] = []
    refused: list[RefusedFile] = []
    entries = repository.below(root)
    if len(entries) > limits.plugin_files:
        raise NotServed(findings.PLUGIN_TOO_MANY_FILES.at(root, limit=limits.plugin_files))
    for entry in entries:
        place = entry.path[len(root) + 1 :] if root else entry.path
        if entry.mode != SYMLINK:
            found.append(Found(place, entry))
            continue
        try:
            behind = list(links.files(entry, place))
        except LinkBudgetSpent:
            # All or nothing: half a folder behind a link would look like a whole one.
            behind = [RefusedFile(place, findings.LINKS_TOO_MANY.at(entry.path, limit=limits.linked_files))]
        found += [file for file in behind if isinstance(file, Found)]
        refused += [file for file in behind if isinstance(file, RefusedFile)]
    if len(found) > limits.plugin_files:
        raise NotServed(findings.PLUGIN_TOO_MANY_FILES.at(root, limit=limits.plugin_files))
    return found, refused


def _planned(
    file: Found, root: bytes, repository: Repository, limits: Limits, spellings: Spellings
) -> PlannedFile:
    entry = file.entry
    try:
        path = checked_path(file.place)
    except NameRefused as refusal:
        raise NotServed(findings.NAME_REFUSED.at(joined(root, file.place), why=refusal.why)) from None
    if entry.mode == SUBMODULE:
        raise NotServed(findings.SUBMODULE_REFUSED.at(joined(root, file.place)))
    if entry.size_bytes is None or entry.size_bytes > limits.file_bytes:
        raise NotServed(findings.FILE_TOO_LARGE.at(joined(root, file.place), limit=limits.file_bytes))
    if repository.is_large_file_pointer(entry):
        raise NotServed(findings.LARGE_FILE_POINTER.at(joined(root, file.place)))
    if (other := spellings.claim(path)) is not None:
        raise NotServed(findings.NAME_COLLIDES.at(joined(root, file.place), other=other))
    return PlannedFile(path, entry.git_id, entry.mode == EXECUTABLE, entry.size_bytes)
