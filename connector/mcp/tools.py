"""The tools that a model sees. Each parses its arguments, makes one service call and shapes the answer.

An answer has a structured form for programs and a text for models; the body of a file is in one of them only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from connector.credentials import require
from connector.install.fetching import MAIN_FILE, FetchedSkill, fetch_skill
from connector.install.install_tokens import LIFETIME_SECONDS, issue_install_token
from marketplaces.services import catalog
from marketplaces.services.catalog import SkillSummary
from marketplaces.services.updates import MOST_INSTALLED, Checked, Installed, State, check_updates
from skillport.principal import Principal, Scope

LONGEST_TEXT: Final = 60_000  # characters of a file that one answer holds; clients cut off at about 100,000


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    structured: dict[str, Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool: how it is listed, and what it does. Names have at most 21 characters (a client's limit)."""

    name: str
    title: str
    description: str
    run: Callable[[Principal, dict[str, Any]], ToolAnswer]
    arguments: dict[str, Any]
    required: tuple[str, ...] = ()
    answer: dict[str, Any]
    read_only: bool = True

    @property
    def input_schema(self) -> dict[str, Any]:
        return _object(self.arguments, self.required)

    @property
    def output_schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": self.answer, "required": list(self.answer)}


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    needed = (
        {"required": list(required)} if required else {}
    )  # every session reads the list: no word too many
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


def _string(description: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {}), **more}


_NAME = _string("skill, plugin/skill or marketplace/plugin/skill", minLength=1, maxLength=300)


def _whoami(principal: Principal, _arguments: dict[str, Any]) -> ToolAnswer:
    told = {
        "id": f"usr_{principal.user_id.hex}",
        "name": principal.name,
        "email": principal.email,
        "role": str(principal.role),
        "organization": principal.organization.slug,
    }
    address = f" <{principal.email}>" if principal.email else ""
    return ToolAnswer(
        told, f"{principal.actor_name}{address}, {principal.role} of {principal.organization.name}"
    )


def _list_skills(principal: Principal, arguments: dict[str, Any]) -> ToolAnswer:
    require(principal, Scope.SKILLS_READ)
    page = catalog.list_skills(
        principal=principal,
        query=arguments.get("query", ""),
        marketplace=arguments.get("marketplace", ""),
        cursor=arguments.get("cursor", ""),
    )
    lines = [
        f"{skill.name} {skill.version} ({skill.plugin}): {_short(skill.description)}" for skill in page.skills
    ]
    if page.next_cursor:
        lines.append(f"There are more: call again with cursor {page.next_cursor!r}.")
    told = {"skills": [_summary(skill) for skill in page.skills], "next_cursor": page.next_cursor}
    return ToolAnswer(told, "\n".join(lines) or "There are no skills here that you may use.")


def _fetch_skill(principal: Principal, arguments: dict[str, Any]) -> ToolAnswer:
    require(principal, Scope.SKILLS_READ)
    fetched = fetch_skill(principal=principal, name=arguments["name"], path=arguments.get("path", MAIN_FILE))
    files = [
        {
            "path": file.path,
            "size": file.size_bytes,
            "executable": file.executable,
            "sha256": file.digest.hex(),
        }
        for file in fetched.files
    ]
    return ToolAnswer({**_summary(fetched.skill), "files": files, "path": fetched.path}, _body(fetched))


def _get_install_token(principal: Principal, arguments: dict[str, Any]) -> ToolAnswer:
    issued = issue_install_token(principal=principal, name=arguments["name"])
    told = {
        "skill": issued.skill,
        "version": issued.version,
        "expires_in": LIFETIME_SECONDS,
        "command": issued.command,
    }
    return ToolAnswer(told, f"{issued.skill} {issued.version}, once, within 5 minutes:\n{issued.command}")


def _check_updates(principal: Principal, arguments: dict[str, Any]) -> ToolAnswer:
    require(principal, Scope.SKILLS_READ)
    installed = [Installed(**one) for one in arguments["installed"]]
    checked = check_updates(principal=principal, installed=installed)
    lines = [line for one in checked if (line := _what_to_do(one))]
    return ToolAnswer(
        {"skills": [_checked(one) for one in checked]}, "\n".join(lines) or "All are up to date."
    )


def _checked(one: Checked) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.name, "state": str(one.state)}
    if one.skill is not None:
        told |= {"now": one.skill.full_name, "version": one.skill.version, "digest": one.skill.digest}
    if one.candidates:
        told["candidates"] = list(one.candidates)
    return told


def _what_to_do(one: Checked) -> str:
    now = one.skill.full_name if one.skill else ""
    match one.state:
        case State.CURRENT:
            return ""
        case State.NEWER:
            return f"{one.name}: {one.skill.version if one.skill else ''} is there. Install {now} again."
        case State.RENAMED:
            return f"{one.name}: called {now} now. Install that one, and remove this one."
        case State.WITHDRAWN:
            return f"{one.name}: no longer published. Tell the person, and remove it if they agree."
        case State.AMBIGUOUS:
            return f"{one.name}: ask again with one of {', '.join(one.candidates)}."
        case State.UNKNOWN:
            return f"{one.name}: not from here, or not this person's to use. Leave it as it is."


def _summary(skill: SkillSummary) -> dict[str, Any]:
    return {
        "name": skill.name,
        "plugin": skill.plugin,
        "marketplace": skill.marketplace,
        "version": skill.version,
        "description": skill.description,
        "digest": skill.digest,
    }


def _short(description: str, longest: int = 160) -> str:
    return description if len(description) <= longest else description[: longest - 1].rstrip() + "…"


def _body(fetched: FetchedSkill) -> str:
    if fetched.text is None:
        return f"{fetched.path} is a binary file. Use get_install_token to install the skill with it."
    if len(fetched.text) > LONGEST_TEXT:
        cut = fetched.text[:LONGEST_TEXT]
        return f"{cut}\n[cut at {LONGEST_TEXT:,} of {len(fetched.text):,} characters: use get_install_token for the whole]"
    return fetched.text


_SUMMARY: Final = {
    name: {"type": "string"} for name in ("name", "plugin", "marketplace", "version", "description", "digest")
}
TOOLS: Final = [
    Tool(
        name="whoami",
        title="Who am I",
        description="Who is signed in, with which role, in which organization.",
        run=_whoami,
        arguments={},
        answer={
            "id": {"type": "string", "pattern": "^usr_[0-9a-f]{32}$"},
            **{name: {"type": "string"} for name in ("name", "email", "role", "organization")},
        },
    ),
    Tool(
        name="list_skills",
        title="List skills",
        description="Skills that this person may use; query finds words in name and description.",
        run=_list_skills,
        arguments={
            "query": _string(maxLength=200),
            "marketplace": _string(maxLength=64),
            "cursor": _string(maxLength=200),
        },
        answer={
            "skills": {"type": "array", "items": {"type": "object"}},
            "next_cursor": {"type": ["string", "null"]},
        },
    ),
    Tool(
        name="fetch_skill",
        title="Fetch a skill",
        description="A skill's SKILL.md and the list of its files; with path, one of those files.",
        run=_fetch_skill,
        arguments={"name": _NAME, "path": _string(minLength=1, maxLength=400)},
        required=("name",),
        answer={
            **_SUMMARY,
            "files": {"type": "array", "items": {"type": "object"}},
            "path": {"type": "string"},
        },
    ),
    Tool(
        name="get_install_token",
        title="Install a skill",
        description="A shell command that installs the skill: works once, for 5 minutes. Much cheaper than fetch_skill.",
        run=_get_install_token,
        arguments={"name": _NAME},
        required=("name",),
        answer={
            **{name: {"type": "string"} for name in ("skill", "version", "command")},
            "expires_in": {"type": "integer"},
        },
        read_only=False,
    ),
    Tool(
        name="check_updates",
        title="Check for updates",
        description="What became of installed skills: newer, renamed, withdrawn. Give each version or digest.",
        run=_check_updates,
        arguments={
            "installed": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_INSTALLED,
                "items": _object(
                    {"name": _NAME, "version": _string(maxLength=100), "digest": _string(maxLength=80)},
                    ("name",),
                ),
            }
        },
        required=("installed",),
        answer={"skills": {"type": "array", "items": {"type": "object"}}},
    ),
]
