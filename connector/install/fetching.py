"""Hand a skill's text to a client that asks for it file by file."""

from dataclasses import dataclass

from connector.install import bundles
from marketplaces.services import catalog
from marketplaces.services.catalog import SkillFile, SkillSummary
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound
from skillport.principal import Principal
from skillport.scoping import within

MAIN_FILE = "SKILL.md"


class FileNotInSkill(NotFound):
    code = "file_not_found"
    message = "This skill has no such file. Fetch the skill without a path to see the paths it has."


@dataclass(frozen=True, slots=True)
class FetchedSkill:
    """A skill's description, the list of its files, and one of them. `text` is None for a binary file."""

    skill: SkillSummary
    files: list[SkillFile]
    path: str
    text: str | None


def fetch_skill(*, principal: Principal, name: str, path: str = MAIN_FILE) -> FetchedSkill:
    """Give the skill that `name` means and the file at `path`. Each call is one audit event.

    Raises `SkillNotFound`, `AmbiguousName` or `FileNotInSkill`.
    """
    with within(principal.organization):
        skill = catalog.find_inside(principal, name)
        files = catalog.files_of(principal.organization_id, skill.release_id)
        asked = next((file for file in files if file.path == path), None)
        if asked is None:
            raise FileNotInSkill
        content = bundles.content_of(principal.organization_id, asked.blob_id)
        audit.record(
            Action.SKILL_FETCHED,
            actor=principal,
            target=audit.Target("skill", skill.skill_id, skill.full_name),
            path=path,
            version=skill.version,
        )
    return FetchedSkill(skill, files, path, _text(content))


def _text(content: bytes) -> str | None:
    if b"\0" in content[:8000]:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
