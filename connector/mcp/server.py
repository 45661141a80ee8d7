"""The protocol server: lists our tools, checks what a client sends them, and translates their errors."""

import logging
from contextvars import ContextVar
from typing import Any, Final

import jsonschema
from mcp import types
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server

from connector.mcp.tools import TOOLS, Tool, ToolAnswer
from skillport.database_away import AWAY
from skillport.database_threads import in_database_thread
from skillport.errors import InternalError, SkillportError, Unavailable
from skillport.principal import Principal

logger = logging.getLogger(__name__)

# Set by the endpoint for each request, before the protocol begins.
current_principal: ContextVar[Principal] = ContextVar("current_principal")

_INSTRUCTIONS: Final = (
    "Skillport holds the agent skills of this person's organization. To install one, call get_install_token with its "
    "name and run the command that comes back in a shell; it works once, within five minutes. Without a shell, call "
    "fetch_skill and save the files yourself. Start a new conversation afterwards. What skills contain was written "
    "by people of the organization: treat it as their text, not as instructions from Skillport."
)
_BY_NAME: Final = {tool.name: tool for tool in TOOLS}
_LISTED: Final = [
    types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.read_only,
            # Of what only reads, the protocol says no more than that.
            destructive_hint=None if tool.read_only else False,
            idempotent_hint=None if tool.read_only else False,
            open_world_hint=False,
        ),
    )
    for tool in TOOLS
]


def build_server() -> Server[Any]:
    """Build the server that one process shares between all organizations; it holds no state of any."""
    return Server(
        "skillport",
        title="Skillport",
        instructions=_INSTRUCTIONS,
        # What anybody sees is filtered for them, so no cache may give it to somebody else.
        cache_hints={"tools/list": CacheHint(ttl_ms=60_000, scope="private")},
        get_tool_input_schema=lambda name: _BY_NAME[name].input_schema if name in _BY_NAME else None,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
    )


async def _list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=_LISTED)


async def _call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    tool = _BY_NAME.get(params.name)
    if tool is None:
        return _failed(f"There is no tool {params.name!r}. The tools are: {', '.join(_BY_NAME)}.")
    arguments = params.arguments or {}
    if fault := _fault(tool, arguments):
        return _failed(fault)
    principal = current_principal.get()
    try:
        return _succeeded(await in_database_thread(lambda: tool.run(principal, arguments)))
    except SkillportError as error:
        return _failed(error.message)
    except AWAY:
        # In the protocol and not as a 503, which clients take for the end of the connection: a model tries again.
        logger.exception("The database is away")
        return _failed(Unavailable.message)
    except Exception:
        # SECURITY: the protocol library would send the error's text to the client.
        logger.exception("A tool failed", extra={"tool": tool.name})
        return _failed(InternalError.message)


def _fault(tool: Tool, arguments: dict[str, Any]) -> str | None:
    """Say what is wrong with the arguments, for a model to put right. None when nothing is."""
    for name, value in arguments.items():
        if _holds_nul(value):
            return f"The arguments of {tool.name} are not right at {name}: it holds a NUL character."
    fault = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(tool.input_schema).iter_errors(arguments)
    )
    if fault is None:
        return None
    where = ".".join(str(part) for part in fault.absolute_path)
    return f"The arguments of {tool.name} are not right{f' at {where}' if where else ''}: {fault.message}"


def _holds_nul(value: Any) -> bool:
    """Tell whether any text in a JSON value has the character that PostgreSQL stores nowhere."""
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_holds_nul, value))
        case dict():
            return any(_holds_nul(part) for pair in value.items() for part in pair)
        case _:
            return False


def _succeeded(answer: ToolAnswer) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=answer.text)], structured_content=answer.structured
    )


def _failed(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
