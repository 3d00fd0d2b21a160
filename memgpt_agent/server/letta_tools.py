"""Tools in Letta's schema: this package's by name, uploaded ones by id."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from memgpt_agent.errors import ConfigurationError, MissingDependency
from memgpt_agent.events import utc_now
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server import ids
from memgpt_agent.server.open_agents import OpenAgents
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.tool_source import schema_of
from memgpt_agent.tools.agents import LETTA_TOOLS
from memgpt_agent.tools.groups import GROUP_OF, catalogue
from memgpt_agent.tools.messages import SEND_MESSAGE
from memgpt_agent.tools.profiles import profile_of

ABSENT = (
    "web_search", "run_code", "fetch_webpage", "memory", "memory_apply_patch", "semantic_search_files", "open_files",
)  # fmt: skip
"""Tools of Letta's own that an agent may be given by name though they are not here, or their package is not: a call says so."""
_CORE = {"send_message", "conversation_search", "archival_memory_insert", "archival_memory_search"}
_MEMORY = {"core_memory_append", "core_memory_replace"}
_KINDS = {"files": "letta_files_core", "agents": "letta_multi_agent_core", "letta_agents": "letta_multi_agent_core"}
RETURN_CHARS = 50_000


def tool_id(name: str) -> str:
    """Return the id of a tool of this package."""
    return f"tool-{name}"


@lru_cache
def _builtin(name: str) -> dict[str, Any]:
    tool = catalogue().get(name)
    function: dict[str, Any] = convert_to_openai_tool(tool.tool)["function"] if tool else {"name": name, "description": "Not installed here."}
    kind = "letta_core" if name in _CORE else "letta_memory_core" if name in _MEMORY else "letta_builtin"
    kind = _KINDS.get(GROUP_OF.get(name, ""), kind)
    kind = "letta_sleeptime_core" if name.startswith("memory_") else kind
    return _letta_tool(
        {"id": tool_id(name), "name": name, "description": function.get("description"), "json_schema": function, "tool_type": kind,
         "source_type": "python", "tags": [kind]}
    )  # fmt: skip


def _letta_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    schema: Mapping[str, Any] = tool.get("json_schema") or {}
    return {
        "id": tool["id"], "name": tool["name"], "description": tool.get("description") or schema.get("description"),
        "json_schema": schema, "args_json_schema": tool.get("args_json_schema"), "source_code": tool.get("source_code"),
        "source_type": tool.get("source_type") or "python", "tags": tool.get("tags") or [], "tool_type": tool.get("tool_type") or "custom",
        "return_char_limit": tool.get("return_char_limit") or RETURN_CHARS, "pip_requirements": tool.get("pip_requirements"),
        "npm_requirements": tool.get("npm_requirements"), "default_requires_approval": tool.get("default_requires_approval"),
        "enable_parallel_execution": bool(tool.get("enable_parallel_execution")), "metadata_": tool.get("metadata_") or {},
        "created_by_id": None, "last_updated_by_id": None, "project_id": None,
    }  # fmt: skip


def every(agents: OpenAgents) -> list[dict[str, Any]]:
    """Return all tools, those of this package first."""
    names = dict.fromkeys([*catalogue(), "web_search", "run_code"])
    return [*(_builtin(name) for name in names), *(_letta_tool(tool) for tool in agents.tools.every())]


def tool_at(agents: OpenAgents, given: str) -> dict[str, Any]:
    """Return the tool of an id.

    Raises:
        HTTPProblem: there is none.
    """
    uploaded = agents.tools.get(given)
    if uploaded is not None:
        return _letta_tool(uploaded)
    name = given.removeprefix("tool-")
    if given.startswith("tool-") and (name in catalogue() or name in ABSENT):
        return _builtin(name)
    raise not_found("tool", given)


def named(agents: OpenAgents, name: str) -> dict[str, Any]:
    """Return the tool of a name, an uploaded one before one of this package.

    Raises:
        HTTPProblem: there is none.
    """
    uploaded = [tool for tool in agents.tools.every() if tool["name"] == name]
    if uploaded:
        return _letta_tool(uploaded[-1])
    if name in catalogue() or name in ABSENT:
        return _builtin(name)
    raise HTTPProblem(404, f"There is no tool {name!r}. Upload it first, or choose one of: {', '.join(catalogue())}.")


def name_of(given: Mapping[str, Any]) -> str:
    """Return the name that a tool will have.

    Raises:
        HTTPProblem: the source code cannot be read, or there is no name.
    """
    schema: Mapping[str, Any] = given.get("json_schema") or {}
    if not schema and given.get("source_type") != "typescript":
        try:
            schema = schema_of(given.get("source_code") or "")
        except ConfigurationError as error:
            raise HTTPProblem(422, str(error)) from error
    name = str(given.get("name") or schema.get("name") or "")
    if not name:
        raise HTTPProblem(422, "The tool has no name: give its json_schema, or source code with a function.")
    return name


def upload(agents: OpenAgents, given: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Keep a tool that a client uploads, or what it changes in one; return it as clients see it.

    Raises:
        HTTPProblem: the source code cannot be read, or the name is one of this package's tools.
    """
    source = given.get("source_code")
    schema: Mapping[str, Any] = given.get("json_schema") or {}
    if not schema and source and given.get("source_type") != "typescript":
        name_of(given)
        schema = schema_of(source)
    schema = schema or (known or {}).get("json_schema") or {}
    name = str(given.get("name") or schema.get("name") or name_of(given))
    if name in catalogue():
        raise HTTPProblem(409, f"{name!r} is a tool of this server's own; give yours another name.")
    kept = {key: value for key, value in given.items() if value is not None}
    tool = {"id": ids.new("tool"), "created": stamp(utc_now()), **(known or {}), **kept, "name": name, "json_schema": {**schema, "name": name}}
    if source and not given.get("description"):
        tool["description"] = schema.get("description") or tool.get("description")
    agents.tools.put(tool)
    return _letta_tool(tool)


def tools_of(agents: OpenAgents, definition: AgentDefinition) -> list[dict[str, Any]]:
    """Return an agent's tools."""
    own = [_builtin(tool.name) for tool in agents.profile_of(definition).tools]
    uploaded = [_letta_tool(tool) for tool in map(agents.tools.get, definition.served.get("tool_ids", ())) if tool is not None]
    return [*own, *uploaded, *(_builtin(name) for name in definition.served.get("missing_tools", ()))]


def with_tools(agents: OpenAgents, definition: AgentDefinition, given: Mapping[str, Any], *, at_creation: bool = True) -> AgentDefinition:
    """Return a definition with the tools that a client names, by names or by ids.

    Raises:
        HTTPProblem: there is no such tool.
    """
    names, tool_ids = given.get("tools"), given.get("tool_ids")
    if not at_creation and names is None and tool_ids is None:
        return definition
    several = [tool.name for tool in LETTA_TOOLS] if given.get("include_multi_agent_tools") else []
    wanted = [named(agents, name) for name in (*(names or ()), *several)] + [tool_at(agents, one) for one in tool_ids or ()]
    base = given.get("include_base_tools") is not False if at_creation else False
    if not base:
        own = (tool.name for tool in profile_of(definition.profile).tools)
        bare = replace(definition, groups=(), without=tuple(name for name in own if name != SEND_MESSAGE))
        definition = replace(bare, served=_without(definition.served, ("tool_ids", "missing_tools", "extra_tools")))
    for tool in wanted:
        definition = with_tool(definition, tool)
    return definition


def _without(served: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in served.items() if name not in names}


def with_tool(definition: AgentDefinition, tool: Mapping[str, Any]) -> AgentDefinition:
    """Return a definition with one tool more; with a rule where each call of the tool needs an approval."""
    name = str(tool["name"])
    if tool["tool_type"] == "custom":
        definition = _added(definition, "tool_ids", tool["id"])
        rule = {"kind": "requires_approval", "tool": name}
        if tool.get("default_requires_approval") and rule not in definition.rules:
            definition = replace(definition, rules=(*definition.rules, rule))
        return definition
    if name in definition.without:
        return replace(definition, without=tuple(one for one in definition.without if one != name))
    if name in {one.name for one in profile_of(definition.profile).tools}:
        return definition
    if name in ("web_search", "run_code") and _installed(name):
        return replace(definition, groups=tuple(dict.fromkeys([*definition.groups, name])))
    return _added(definition, "extra_tools" if name in catalogue() else "missing_tools", name)


def without_tool(definition: AgentDefinition, tool: Mapping[str, Any]) -> AgentDefinition:
    """Return a definition without one tool. An agent keeps ``send_message``: it could not speak without it."""
    name = str(tool["name"])
    served = {
        field: [one for one in value if one not in (name, tool["id"])] if field in {"tool_ids", "extra_tools", "missing_tools"} else value
        for field, value in definition.served.items()
    }  # fmt: skip
    definition = replace(definition, served=served, groups=tuple(one for one in definition.groups if one != name))
    in_profile = tool["tool_type"] != "custom" and name in {one.name for one in profile_of(definition.profile).tools}
    if in_profile and name != SEND_MESSAGE and name not in definition.without:
        definition = replace(definition, without=(*definition.without, name))
    return definition


def _added(definition: AgentDefinition, field: str, value: str) -> AgentDefinition:
    have = [*definition.served.get(field, ()), value]
    return replace(definition, served={**definition.served, field: list(dict.fromkeys(have))})


def _installed(name: str) -> bool:
    from memgpt_agent.tools.groups import GROUPS

    try:
        GROUPS[name]()
    except MissingDependency:
        return False
    return True
