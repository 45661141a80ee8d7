"""Which SKILL.md files are accounted for, so that the others can be named."""

from collections.abc import Collection, Iterable, Iterator

from marketplaces.git.tree import TreeEntry
from marketplaces.manifest.plugin_files import PluginFiles
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.skill_index import SKILL_MD, skill_md_of


class Accounted:
    """The SKILL.md files that are served, or about which a finding says why not. Paths are from the root."""

    def __init__(self) -> None:
        self._paths: set[bytes] = set()
        self._folders: set[bytes] = set()

    def skill(self, files: PluginFiles, folder: str) -> None:
        """Account for the skill in `folder` of a plugin, behind any link."""
        path = skill_md_of(folder)
        file = files.by_path.get(path)
        self._paths.add(files.origin(file) if file else files.in_repository(path))

    def refused_files(self, files: PluginFiles) -> None:
        """Account for what is refused in a plugin."""
        self._paths |= {files.from_root(refused.place) for refused in files.refused}

    def add(self, other: "Accounted") -> None:
        """Account for what `other` does."""
        self._paths |= other._paths
        self._folders |= other._folders

    def all_below(self, repository: Repository, root: str, but: Collection[bytes]) -> None:
        """Account for all that are below `root` with the exception of some."""
        self._paths |= {path for path in _skill_mds(repository.below(root.encode())) if path not in but}

    def lacking(self, repository: Repository, root: str) -> tuple[bytes, ...]:
        """Give those below `root` that are not accounted for."""
        return tuple(path for path in _skill_mds(repository.below(root.encode())) if path not in self._paths)

    def absent_plugin(self, folder: str) -> None:
        """Account for everything below the folder of a plugin that is not served."""
        self._folders.add(folder.encode())

    def others(self, repository: Repository) -> Iterator[bytes]:
        """Give the SKILL.md files that are not accounted for, sorted."""
        for path in _skill_mds(repository.entries):
            if path not in self._paths and not self._is_absent(path.rpartition(b"/")[0]):
                yield path

    def _is_absent(self, folder: bytes) -> bool:
        while folder and folder not in self._folders:
            folder = folder.rpartition(b"/")[0]
        return folder in self._folders


def _skill_mds(entries: Iterable[TreeEntry]) -> Iterator[bytes]:
    whole, end = SKILL_MD.encode(), f"/{SKILL_MD}".encode()
    return (entry.path for entry in entries if entry.path.endswith(end) or entry.path == whole)
