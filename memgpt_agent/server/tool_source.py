"""Tools that clients upload as Python source: parsed without running, stored, and run only in a sandbox."""

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.store.base import BaseStore

from memgpt_agent.errors import ConfigurationError, MissingDependency, install_command
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.owners import Identity
from memgpt_agent.store.plain import all_items
from memgpt_agent.tools.run_code import in_sandbox

_TYPES = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "List": "array", "dict": "object",
    "Dict": "object", "tuple": "array", "set": "array",
}  # fmt: skip
NO_SANDBOX = (
    "The tool {name!r} was uploaded as source code, and this server runs no such code. Start it with `memgpt serve --sandbox` to run it in "
    "the sandbox of run_code."
)


def schema_of(source: str, name: str | None = None) -> dict[str, Any]:
    """Return the JSON schema (OpenAI form: name, description, parameters) of a function by its source, which is not run.

    Args:
        source: Python source with the function on its top level.
        name: which function; the last one if none is named.

    Raises:
        ConfigurationError: it is not Python, or has no such function.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise ConfigurationError(f"The tool's source code is no Python: {error}.") from error
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name in (None, node.name)]
    if not functions:
        raise ConfigurationError(f"The tool's source code defines no function{f' {name!r}' if name else ''} on its top level.")
    function = functions[-1]
    description, described = _docstring(ast.get_docstring(function) or "")
    arguments = [*function.args.posonlyargs, *function.args.args]
    defaults = [None] * (len(arguments) - len(function.args.defaults)) + list(function.args.defaults)
    pairs = [*zip(arguments, defaults, strict=True), *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)]
    shown = [(argument, default) for argument, default in pairs if argument.arg not in {"self", "agent_state"}]
    properties = {a.arg: {**_typed(a.annotation), **({"description": described[a.arg]} if a.arg in described else {})} for a, _ in shown}
    required = [argument.arg for argument, default in shown if default is None]
    return {
        "name": function.name, "description": description,
        "parameters": {"type": "object", "properties": properties, "required": required},
    }  # fmt: skip


def _typed(annotation: ast.expr | None) -> dict[str, Any]:
    """Return the schema of an annotation; what has no counterpart may be anything."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _typed(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.Name):
        return {"type": _TYPES[annotation.id]} if annotation.id in _TYPES else {}
    if isinstance(annotation, ast.BinOp):
        return _first([annotation.left, annotation.right])
    if isinstance(annotation, ast.Subscript):
        return _subscripted(annotation)
    return {}


def _first(parts: Sequence[ast.expr]) -> dict[str, Any]:
    """Return the first of these annotations that has a schema."""
    found = [schema for schema in map(_typed, parts) if schema]
    return found[0] if found else {}


def _subscripted(annotation: ast.Subscript) -> dict[str, Any]:
    base = annotation.value.id if isinstance(annotation.value, ast.Name) else getattr(annotation.value, "attr", "")
    inner = annotation.slice
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if base == "Literal":
        return {"enum": [part.value for part in parts if isinstance(part, ast.Constant)]}
    if base in {"Optional", "Union", "Annotated"}:
        return _first(parts)
    if base in {"list", "List", "set", "tuple"}:
        return {"type": "array", "items": _typed(parts[0])}
    return {"type": _TYPES[base]} if base in _TYPES else {}


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says first, and what it says of each argument under ``Args:``."""
    before, _, after = text.partition("Args:")
    described: dict[str, str] = {}
    for line in after.splitlines():
        head, colon, rest = line.strip().partition(":")
        if head in {"Returns", "Raises", "Yields"}:
            break
        if colon and head and " " not in head.split("(")[0].strip():
            described[head.split("(")[0].strip()] = rest.strip()
    return before.split("Returns:")[0].strip(), described


def answered(source: str, name: str, arguments: Mapping[str, Any]) -> str:
    """Call a function of a source in the sandbox; return what it printed and returned.

    Raises:
        ToolException: it failed, took too long, or the sandbox does not know what it uses.
        MissingDependency: the sandbox is not installed.
    """
    tree = ast.parse(source)
    kept = [node for node in tree.body if not isinstance(node, ast.Expr)]
    code = "\n".join(ast.unparse(node) for node in kept) + f"\n{name}(**{dict(arguments)!r})"
    printed, value = in_sandbox(code)
    returned = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return printed + returned


class ServedTools:
    """The tools that clients uploaded, and those that an agent has of them.

    Args:
        store: where they are kept.
        sandbox: whether they may run.
        who: whoever acts, who sees their own; ``None``: all of them are seen.
    """

    def __init__(self, store: BaseStore, *, sandbox: bool, who: Identity | None = None) -> None:
        self._store, self.sandbox, self._who = store, sandbox, who

    def _seen(self, tool: Mapping[str, Any]) -> bool:
        return self._who is None or self._who.is_admin or tool.get("owner", "") == self._who.name

    def every(self) -> list[dict[str, Any]]:
        """Return all uploaded tools, oldest first."""
        found = (item.value for item in all_items(self._store, namespaces.TOOLS))
        return sorted(filter(self._seen, found), key=lambda tool: (tool["created"], tool["id"]))

    def get(self, tool_id: str) -> dict[str, Any] | None:
        """Return an uploaded tool."""
        item = self._store.get(namespaces.TOOLS, tool_id)
        return item.value if item and self._seen(item.value) else None

    def put(self, tool: dict[str, Any]) -> None:
        """Keep a tool."""
        owner = {"owner": self._who.name} if self._who is not None and "owner" not in tool else {}
        self._store.put(namespaces.TOOLS, tool["id"], {**tool, **owner}, index=False)

    def delete(self, tool_id: str) -> None:
        """Forget a tool; agents that have it lose it."""
        self._store.delete(namespaces.TOOLS, tool_id)

    def of(self, definition: AgentDefinition) -> list[BaseTool]:
        """Return the tools that an agent has beside those of its profile and its groups."""
        ids: Sequence[str] = definition.served.get("tool_ids", ())
        found = (self._store.get(namespaces.TOOLS, one) for one in ids)
        uploaded = [self._made(item.value) for item in found if item is not None]
        return [*uploaded, *(_missing(name) for name in definition.served.get("missing_tools", ()))]

    def _made(self, tool: Mapping[str, Any]) -> BaseTool:
        name, source = str(tool["name"]), str(tool.get("source_code") or "")

        def run(**arguments: Any) -> str:
            return self.run(name, source, arguments)

        schema: dict[str, Any] = tool.get("json_schema") or {}
        parameters: dict[str, Any] = schema.get("parameters") or {"type": "object", "properties": {}}
        made = StructuredTool.from_function(
            run, name=name, description=tool.get("description") or schema.get("description") or name, args_schema=parameters
        )
        made.handle_tool_error = False
        return made

    def run(self, name: str, source: str, arguments: Mapping[str, Any]) -> str:
        """Call an uploaded tool.

        Raises:
            ToolException: it failed, or this server runs no such tools.
        """
        if not self.sandbox:
            raise ToolException(NO_SANDBOX.format(name=name))
        try:
            return answered(source, name, arguments)
        except MissingDependency as error:
            raise ToolException(str(error)) from error


def _missing(name: str) -> BaseTool:
    """Return a tool that stands in for one whose package is not installed, or that is unknown here: its call says so."""

    def refuse(**_: Any) -> str:
        raise ToolException(f"The tool {name!r} is not installed on this server. Do without it. (Its owner: {install_command('tools')})")

    parameters: Any = {"type": "object", "properties": {}}
    return StructuredTool.from_function(refuse, name=name, description=f"{name} (not installed on this server)", args_schema=parameters)


def client_tool(given: Mapping[str, Any]) -> BaseTool:
    """Return a tool that the client carries out: its call stops the turn until the client brings the result."""
    from langgraph.types import interrupt

    name = str(given["name"])

    def ask(**arguments: Any) -> str:
        answer = cast(dict[str, Any], interrupt({"client_tool": name, "arguments": arguments}))
        if answer.get("status") == "error":
            raise ToolException(_text(answer.get("tool_return")))
        return _text(answer.get("tool_return"))

    parameters: Any = given.get("parameters") or {"type": "object", "properties": {}}
    return StructuredTool.from_function(ask, name=name, description=given.get("description") or name, args_schema=parameters)


def _text(given: Any) -> str:
    if isinstance(given, list):
        return "\n".join(str(part.get("text", "")) for part in cast(list[dict[str, Any]], given))
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
