"""Converting the tool rules of an Agent File to ours and back, and listing rules without a counterpart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from memgpt_agent.agent_file.af_reading import Data
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.tools.rules import (
    ChildRule,
    ConditionalRule,
    ContinueRule,
    InitRule,
    MaxCountRule,
    ParentRule,
    RequiredBeforeExitRule,
    RequiresApprovalRule,
    TerminalRule,
    ToolRule,
    rules_from_data,
)

_PLAIN: dict[str, type[ToolRule]] = {
    "run_first": InitRule,
    "InitToolRule": InitRule,
    "exit_loop": TerminalRule,
    "TerminalToolRule": TerminalRule,
    "continue_loop": ContinueRule,
    "required_before_exit": RequiredBeforeExitRule,
    "requires_approval": RequiresApprovalRule,
}
"""Types of such files that say no more than the tool's name; the older names are read and not written."""
_OF_OTHERS: dict[str, type[ChildRule] | type[ParentRule]] = {
    "constrain_child_tools": ChildRule,
    "ToolRule": ChildRule,
    "parent_last_tool": ParentRule,
    "require_parent_tools": ParentRule,
}
_UNCARRIED: dict[str, Callable[[Any], bool]] = {
    "args": bool,
    "child_arg_nodes": lambda nodes: any(isinstance(n, Mapping) and cast(Data, n).get("args") for n in _listed(nodes)),
    "require_output_mapping": bool,
}
"""Fields that say what our rules cannot, and when they say anything. (Those servers pass ``prompt_template`` over.)"""
_WHY = {
    "args": "arguments are not filled in beforehand here; the model gives them",
    "child_arg_nodes": "arguments are not filled in beforehand here; the model gives them",
    "require_output_mapping": "where what was returned is none of its cases, any tool may follow here",
}


class Rule(NamedTuple):
    """One rule of a file."""

    given: Any
    """As it stands there."""
    rule: ToolRule | None
    """What it is here; ``None``: it has no counterpart."""
    reason: str = ""
    """Why it has none."""

    @property
    def name(self) -> str:
        """How it is called where it is listed."""
        named = _fields(self.given)
        return f"tool rule {str(named.get('type', '?'))!r} of {str(named.get('tool_name', '?'))!r}"


def read_rules(given: Any) -> list[Rule]:
    """Return the rules of an agent of a file, in order, each with its counterpart or why it has none."""
    return [_read(one) for one in _listed(given)]


def notes_on(rules: Sequence[Rule], tools: Sequence[str]) -> list[str]:
    """Return what of these rules is not in force in an agent that has these tools, each with the reason."""
    notes: list[str] = []
    for rule in rules:
        if rule.rule is None:
            notes.append(f"{rule.name}: {rule.reason}; kept in the file only, not enforced here")
            continue
        missing = [name for name in (rule.rule.tool, *rule.rule.others()) if name not in tools]
        if missing:
            named = ", ".join(map(repr, dict.fromkeys(missing)))
            notes.append(f"{rule.name}: it rests until the agent has {named}; give it with tools=")
        notes += [
            f"{rule.name}: its {field} is kept in the file only; {_WHY[field]}"
            for field, says in _UNCARRIED.items()
            if says(_fields(rule.given).get(field))
        ]
    return list(dict.fromkeys(notes))


def written_rules(stored: Sequence[Mapping[str, Any]], before: Any) -> list[Data]:
    """Return an agent's rules as a file holds them.

    Args:
        stored: the rules of its definition.
        before: the rules of the file that it came from. One that is still in force, or that never was, is written as it
            stood there; one that the agent has no more is not.
    """
    here, known = rules_from_data(stored), read_rules(before)
    kept = [one.given for one in known if one.rule is None or one.rule in here]
    return [*kept, *(_written(rule) for rule in here if rule not in [one.rule for one in known])]


def _read(given: Any) -> Rule:
    named = _fields(given)
    kind, tool = named.get("type"), named.get("tool_name")
    if not isinstance(kind, str) or not isinstance(tool, str) or not tool:
        return Rule(given, None, "it does not say its type and its tool")
    if kind in _PLAIN:
        return Rule(given, _PLAIN[kind](tool))
    children = _names(named.get("children"))
    if kind in _OF_OTHERS:
        if not children:
            return Rule(given, None, "its children are no names of tools")
        return Rule(given, _OF_OTHERS[kind](tool, children))
    if kind == "max_count_per_step":
        return _limited(given, tool, named.get("max_count_limit"))
    if kind == "conditional":
        return _conditional(given, tool, named)
    return Rule(given, None, "there is no such kind of rule here")


def _limited(given: Any, tool: str, limit: Any) -> Rule:
    if not isinstance(limit, int) or isinstance(limit, bool):
        return Rule(given, None, f"its max_count_limit is {limit!r}, no number")
    try:
        return Rule(given, MaxCountRule(tool, limit))
    except ConfigurationError as error:
        return Rule(given, None, str(error).rstrip("."))


def _conditional(given: Any, tool: str, named: Data) -> Rule:
    cases, default = named.get("child_output_mapping"), named.get("default_child")
    if not isinstance(cases, dict) or not cases or not _are_names(list(cast(Data, cases).values())):
        return Rule(given, None, "its child_output_mapping does not lead from results to tools")
    if default is not None and not _are_names([default]):
        return Rule(given, None, f"its default_child is {default!r}, no name of a tool")
    return Rule(given, ConditionalRule(tool, {str(k).strip(): v for k, v in cast(Data, cases).items()}, default))


def _written(rule: ToolRule) -> Data:
    named: Data = {"tool_name": rule.tool, "prompt_template": None}
    match rule:
        case ChildRule():
            return {"type": "constrain_child_tools", **named, "children": list(rule.children)}
        case ParentRule():
            return {"type": "parent_last_tool", **named, "children": list(rule.children)}
        case MaxCountRule():
            return {"type": "max_count_per_step", **named, "max_count_limit": rule.limit}
        case ConditionalRule():
            return {
                "type": "conditional", **named, "default_child": rule.default,
                "child_output_mapping": dict(rule.children_by_result), "require_output_mapping": False,
            }  # fmt: skip
        case _:
            return {"type": next(kind for kind, made in _PLAIN.items() if isinstance(rule, made)), **named}


def _fields(given: Any) -> Data:
    return cast(Data, given) if isinstance(given, dict) else {}


def _listed(given: Any) -> list[Any]:
    return cast(list[Any], given) if isinstance(given, list) else []


def _names(given: Any) -> tuple[str, ...]:
    found = _listed(given)
    return tuple(cast(list[str], found)) if _are_names(found) else ()


def _are_names(given: Sequence[Any]) -> bool:
    return all(isinstance(one, str) and one for one in given)
