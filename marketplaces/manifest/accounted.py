"""Which SKILL.md files are accounted for, so that the others can be named."""

from collections.abc import Iterator

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

    def absent_plugin(self, folder: str) -> None:
        """Account for everything below the folder of a plugin that is not served."""
        self._folders.add(folder.encode())

    def others(self, repository: Repository) -> Iterator[bytes]:
        """Give the SKILL.md files that are not accounted for, sorted."""
        for entry in repository.entries:
            folder, _, name = entry.path.rpartition(b"/")
            if name == SKILL_MD.encode() and entry.path not in self._paths and not self._is_absent(folder):
                yield entry.path

    def _is_absent(self, folder: bytes) -> bool:
        while folder and folder not in self._folders:
            folder = folder.rpartition(b"/")[0]
        return folder in self._folders
