"""Tools: those of this package and those that clients upload; giving them to agents, approvals, calling one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from langchain_core.tools import ToolException

from memgpt_agent.errors import ConfigurationError, ToolError
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.server import letta_agents, letta_tools
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.problems import HTTPProblem, not_found
from memgpt_agent.server.serving import Served, Serving
from memgpt_agent.server.shapes.agents import AgentAnswer
from memgpt_agent.server.shapes.base import Data
from memgpt_agent.server.shapes.tools import ApprovalShape, SourceCall, ToolAnswer, ToolCallShape, ToolFields, Words
from memgpt_agent.server.tool_source import schema_of

router = APIRouter(prefix="/v1", tags=["tools"])


@router.post("/tools", response_model=ToolAnswer, summary="Upload a tool")
def create(served: Serving, body: ToolFields) -> Any:
    """Keep a tool. Its source code is read, not run; it runs when an agent calls it, in the sandbox, where the server has one."""
    name = letta_tools.name_of(body.given())
    if _uploaded(served, name):
        raise HTTPProblem(409, f"There is a tool {name!r} already. Change it, or upload it with PUT.")
    return letta_tools.upload(served.agents, body.given())


@router.put("/tools", response_model=ToolAnswer, summary="Upload a tool, or a newer version of it")
def upsert(served: Serving, body: ToolFields) -> Any:
    """Keep a tool in place of the one of its name, under the same id."""
    return letta_tools.upload(served.agents, body.given(), _uploaded(served, letta_tools.name_of(body.given())))


def _uploaded(served: Served, name: str) -> Data | None:
    return next((tool for tool in served.agents.tools.every() if tool["name"] == name), None)


@router.get("/tools", response_model=list[ToolAnswer], summary="List tools")
def list_tools(
    served: Serving,
    page: Paged,
    name: Annotated[str | None, Query(title="Name")] = None,
    names: Annotated[list[str] | None, Query(title="Names")] = None,
    tool_ids: Annotated[list[str] | None, Query(title="Ids")] = None,
    search: Annotated[str | None, Query(title="Words in the name")] = None,
    tool_types: Annotated[list[str] | None, Query(title="Types")] = None,
    exclude_tool_types: Annotated[list[str] | None, Query(title="Not these types")] = None,
) -> Any:
    """Return tools: those of this package first."""
    found = [
        one for one in letta_tools.every(served.agents)
        if (name is None or one["name"] == name) and (not names or one["name"] in names) and (not tool_ids or one["id"] in tool_ids)
        and (search is None or search.casefold() in one["name"].casefold()) and (not tool_types or one["tool_type"] in tool_types)
        and one["tool_type"] not in (exclude_tool_types or ())
    ]  # fmt: skip
    return cut(found, page, lambda one: one["id"], newest_first=False)


@router.get("/tools/count", response_model=int, summary="Count tools")
def count(served: Serving) -> int:
    """Return how many tools there are."""
    return len(letta_tools.every(served.agents))


@router.post("/tools/add-base-tools", response_model=list[ToolAnswer], summary="List the tools of this package")
def base_tools(served: Serving) -> Any:
    """Return the tools of this package; they are always there."""
    return [one for one in letta_tools.every(served.agents) if one["tool_type"] != "custom"]


@router.post("/tools/search", summary="Search tools")
def search(served: Serving, body: Words) -> Any:
    """Return tools in whose name or description the words stand."""
    words = (body.query or "").casefold().split()
    found = [one for one in letta_tools.every(served.agents) if all(w in f"{one['name']} {one['description']}".casefold() for w in words)]
    return [{"tool": one, "combined_score": 1.0, "embedded_text": one["name"]} for one in found[: body.limit or 50]]


@router.post("/tools/run", summary="Call source code")
def run_source(served: Serving, body: SourceCall) -> Any:
    """Call a function that is not kept, in the sandbox."""
    try:
        name = str(schema_of(body.source_code, body.name)["name"])
    except ConfigurationError as error:
        raise HTTPProblem(422, str(error)) from error
    return _outcome(served, name, body.source_code, body.args or {})


def _outcome(served: Served, name: str, source: str, arguments: Mapping[str, Any]) -> Data:
    try:
        returned, failed = served.agents.tools.run(name, source, arguments), None
    except ToolException as error:
        returned, failed = None, str(error)
    return {"status": "error" if failed else "success", "func_return": returned or failed, "stdout": [], "stderr": [failed] if failed else []}


@router.get("/tools/{tool_id}", response_model=ToolAnswer, summary="Look at a tool")
def retrieve(served: Serving, tool_id: str) -> Any:
    """Return a tool."""
    return letta_tools.tool_at(served.agents, tool_id)


@router.patch("/tools/{tool_id}", response_model=ToolAnswer, summary="Change a tool")
def update(served: Serving, tool_id: str, body: ToolFields) -> Any:
    """Change an uploaded tool, for every agent that has it."""
    known = served.agents.tools.get(tool_id)
    if known is None:
        letta_tools.tool_at(served.agents, tool_id)
        raise HTTPProblem(400, f"{tool_id!r} is a tool of this server's own and stays as it is.")
    return letta_tools.upload(served.agents, body.given(), known)


@router.delete("/tools/{tool_id}", summary="Delete a tool")
def delete(served: Serving, tool_id: str) -> Data:
    """Forget an uploaded tool; agents that have it lose it."""
    if served.agents.tools.get(tool_id) is None:
        raise not_found("tool", tool_id)
    served.agents.tools.delete(tool_id)
    return {"message": f"Tool {tool_id} was deleted."}


def _letta_agent(served: Served, definition: AgentDefinition) -> Data:
    return letta_agents.letta_agent(served.agents, definition)


@router.get("/agents/{agent_id}/tools", response_model=list[ToolAnswer], summary="List an agent's tools")
def list_of_agent(served: Serving, agent_id: str, page: Paged) -> Any:
    """Return an agent's tools."""
    found = letta_tools.tools_of(served.agents, served.agents.definition(agent_id))
    return cut(found, page, lambda one: one["id"], newest_first=False)


@router.patch("/agents/{agent_id}/tools/attach/{tool_id}", response_model=AgentAnswer, summary="Give an agent a tool")
def attach(served: Serving, agent_id: str, tool_id: str) -> Any:
    """Give an agent a tool."""
    tool = letta_tools.tool_at(served.agents, tool_id)
    return _letta_agent(served, served.agents.change(agent_id, lambda known: letta_tools.with_tool(known, tool)))


@router.patch("/agents/{agent_id}/tools/detach/{tool_id}", response_model=AgentAnswer, summary="Take a tool from an agent")
def detach(served: Serving, agent_id: str, tool_id: str) -> Any:
    """Take a tool from an agent, also one of its type; it keeps ``send_message``."""
    tool = letta_tools.tool_at(served.agents, tool_id)
    return _letta_agent(served, served.agents.change(agent_id, lambda known: letta_tools.without_tool(known, tool)))


@router.patch("/agents/{agent_id}/tools/approval/{tool_name}", response_model=AgentAnswer, summary="Choose who decides on a tool's calls")
def update_approval(
    served: Serving, agent_id: str, tool_name: str, requires_approval: Annotated[bool | None, Query()] = None,
    body: Annotated[ApprovalShape | None, Body()] = None,
) -> Any:  # fmt: skip
    """Let a person decide on each call of a tool, or no more."""
    wanted = body.requires_approval if body is not None else requires_approval
    if wanted is None:
        raise HTTPProblem(422, "Say requires_approval: true or false.")
    if tool_name not in {one["name"] for one in letta_tools.tools_of(served.agents, served.agents.definition(agent_id))}:
        raise not_found("tool", tool_name)
    rule = {"kind": "requires_approval", "tool": tool_name}

    def changed(known: AgentDefinition) -> AgentDefinition:
        others = tuple(one for one in known.rules if one != rule)
        sent = known.served.get("tool_rules", ())
        given = [one for one in sent if (one.get("type"), one.get("tool_name")) != ("requires_approval", tool_name)]
        return replace(known, rules=(*others, rule) if wanted else others, served={**known.served, "tool_rules": given})

    return _letta_agent(served, served.agents.change(agent_id, changed))


@router.post("/agents/{agent_id}/tools/{tool_name}/run", summary="Call an agent's tool")
def run(served: Serving, agent_id: str, tool_name: str, body: ToolCallShape) -> Any:
    """Call one of an agent's tools as its user's doing; it counts in memory's history."""
    tools = letta_tools.tools_of(served.agents, served.agents.definition(agent_id))
    found = next((one for one in tools if one["name"] == tool_name), None)
    if found is None:
        raise not_found("tool", tool_name)
    if found["tool_type"] == "custom":
        return _outcome(served, tool_name, found["source_code"] or "", body.args or {})
    try:
        returned = getattr(served.agents.agent(agent_id).tools, tool_name)(**(body.args or {}))
    except (ToolError, ToolException, TypeError) as error:
        return {"status": "error", "func_return": str(error), "stdout": [], "stderr": [str(error)]}
    return {"status": "success", "func_return": returned, "stdout": [], "stderr": []}
