"""Where a plugin has SKILL.md files."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

SKILL_MD: Final = "SKILL.md"
SKILLS_FOLDER: Final = "skills"


def skill_md_of(folder: str) -> str:
    """Give the path of the SKILL.md in a skill's folder."""
    return f"{folder}/{SKILL_MD}" if folder else SKILL_MD


class SkillIndex:
    """The folders that hold a SKILL.md, among the paths of one plugin; '' is the plugin's root.

    A path that is not UTF-8 does not count: nobody can list it, and no name can come of it.
    """

    def __init__(self, paths: Iterable[bytes]) -> None:
        self.has_skills_folder = False
        self._holding: set[str] = set()
        self._children: defaultdict[str, set[str]] = defaultdict(set)
        self._miscased: dict[str, str] = {}
        for path in _texts(paths):
            self.has_skills_folder |= path.startswith(f"{SKILLS_FOLDER}/")
            folder, _, name = path.rpartition("/")
            if name.lower() == SKILL_MD.lower():
                self._add(folder, path, exact=name == SKILL_MD)

    def _add(self, folder: str, path: str, *, exact: bool) -> None:
        if not exact:
            self._miscased[folder] = path
            return
        self._holding.add(folder)
        if folder:
            self._children[folder.rpartition("/")[0]].add(folder)

    def holds(self, folder: str) -> bool:
        """Tell whether there is a SKILL.md right in `folder`."""
        return folder in self._holding

    def children(self, folder: str) -> list[str]:
        """Give the folders right below `folder` that hold a SKILL.md, sorted."""
        return sorted(self._children.get(folder, ()))

    def miscased(self, folder: str) -> str | None:
        """Give the file in `folder` that would be its SKILL.md if it were written so."""
        return None if folder in self._holding else self._miscased.get(folder)

    def miscased_children(self, folder: str) -> list[str]:
        """Give the folders right below `folder` that have such a file instead, sorted."""
        return sorted(child for child in self._miscased if child.rpartition("/")[0] == folder and child)


def _texts(paths: Iterable[bytes]) -> Iterator[str]:
    for path in paths:
        with suppress(UnicodeDecodeError):
            yield path.decode()
