"""Advice about skills and plugins that are served, but that other clients may refuse."""

import re
from typing import Final

from marketplaces.manifest import findings
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.marketplace_json import PATH
from marketplaces.manifest.report import Report

# Agent Skills specification (agentskills/agentskills 69ef37e).
_SKILL_NAME: Final = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_DESCRIPTION_CHARACTERS: Final = 1_024

_RESERVED_PREFIXES: Final = ("claude-", "anthropic-", "anthropics-", "cc-plugin-")  # Claude Code 2.1.330


def advise_on_plugin(name: str, report: Report) -> None:
    """Report a plugin name that Claude Code keeps for its maker."""
    for prefix in _RESERVED_PREFIXES:
        if name.lower().startswith(prefix):
            report(findings.PLUGIN_NAME_RESERVED.at(PATH, name=name, prefix=prefix))


def advise_on_skill(name: str, frontmatter: dict[str, Json], path: bytes, report: Report) -> None:
    """Report where a skill departs from the Agent Skills specification. `path` is its SKILL.md."""
    own_name, description = frontmatter.get("name", ""), frontmatter.get("description", "")
    if isinstance(own_name, str) and own_name not in {"", name}:
        report(findings.SKILL_NAME_DIFFERS.at(path, own=own_name, name=name))
    if not _SKILL_NAME.fullmatch(name):
        report(findings.SKILL_NAME_NOT_PORTABLE.at(path, name=name))
    if isinstance(description, str) and len(description) > _DESCRIPTION_CHARACTERS:
        limit = _DESCRIPTION_CHARACTERS
        report(findings.DESCRIPTION_LONG.at(path, count=len(description), limit=limit))
