"""The folder of a repository in which a marketplace lies."""

import re
from typing import Final

from skillport.errors import SkillportError

LONGEST_FOLDER: Final = 200
_FOLDER: Final = re.compile(r"[^/\x00-\x1f\x7f\\]{1,100}(/[^/\x00-\x1f\x7f\\]{1,100}){0,9}")


class FolderRefused(SkillportError):
    code = "folder_refused"
    status = 422
    message = "Write the folder as it stands in the repository, for example tools/claude, or leave it empty for the root."


def checked_folder(given: str) -> str:
    """Give the folder without a slash at either end, '' for the root. Raises `FolderRefused`."""
    folder = given.strip().strip("/")
    if folder and (
        _FOLDER.fullmatch(folder) is None
        or len(folder) > LONGEST_FOLDER
        or {".", ".."} & set(folder.split("/"))
    ):
        raise FolderRefused
    return folder
