"""Rules on tool calls: which come first, which follow, how often, what ends a turn, what needs approval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, cast

from memgpt_agent.errors import ConfigurationError


class Called(NamedTuple):
    """A call of the running turn that was carried out."""

    name: str
    """The tool."""
    result: str
    """What it returned."""
    failed: bool
    """Whether it failed; a failed call counts as tried only where a rule says so."""


@dataclass(frozen=True)
class ToolRule:
    """A rule on one tool."""

    tool: str
    """The tool's name."""
    kind: ClassVar[str] = ""
    """The rule's name where it is stored or written."""

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return ""

    def others(self) -> tuple[str, ...]:
        """Return the other tools that it names."""
        return ()


@dataclass(frozen=True)
class InitRule(ToolRule):
    """A turn begins with this tool, or with another one that has such a rule."""

    kind = "init"

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"A turn begins with {self.tool}."


@dataclass(frozen=True)
class ChildRule(ToolRule):
    """After this tool only some may be called next."""

    kind = "child"
    children: tuple[str, ...] = ()
    """The tools that may follow."""

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"After {self.tool} call {_either(self.children)} next."

    def others(self) -> tuple[str, ...]:
        """Return the other tools that it names."""
        return self.children


@dataclass(frozen=True)
class ParentRule(ToolRule):
    """Some tools may be called only right after this one."""

    kind = "parent"
    children: tuple[str, ...] = ()
    """The tools that need it before them."""

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"Call {_either(self.children)} only right after {self.tool}."

    def others(self) -> tuple[str, ...]:
        """Return the other tools that it names."""
        return self.children


@dataclass(frozen=True)
class ConditionalRule(ToolRule):
    """What this tool returned decides which tool may be called next."""

    kind = "conditional"
    children_by_result: Mapping[str, str] = field(default_factory=dict[str, str])
    """The tool that follows, by what was returned (compared without white space at the ends)."""
    default: str | None = None
    """The tool that follows any other result; any tool if ``None``."""

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        cases = [f"{child} if it returned {result!r}" for result, child in self.children_by_result.items()]
        return f"After {self.tool} call {'; '.join([*cases, *([f'{self.default} otherwise'] if self.default else [])])}."

    def others(self) -> tuple[str, ...]:
        """Return the other tools that it names."""
        return (*self.children_by_result.values(), *((self.default,) if self.default else ()))


@dataclass(frozen=True)
class ContinueRule(ToolRule):
    """After this tool the agent always gets another step."""

    kind = "continue"


@dataclass(frozen=True)
class TerminalRule(ToolRule):
    """After this tool the turn is over."""

    kind = "terminal"

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"{self.tool} ends the turn."


@dataclass(frozen=True)
class MaxCountRule(ToolRule):
    """This tool may be called so often in one turn."""

    kind = "max_count"
    limit: int = 1
    """How often; calls that failed count too."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigurationError(f"The rule max_count of {self.tool!r} has limit = {self.limit}; give one above zero.")

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"Call {self.tool} {self.limit} times at most in a turn."


@dataclass(frozen=True)
class RequiredBeforeExitRule(ToolRule):
    """A turn does not end before this tool was called."""

    kind = "required_before_exit"

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"Call {self.tool} before a turn ends."


@dataclass(frozen=True)
class RequiresApprovalRule(ToolRule):
    """A call of this tool waits for a person, who approves, edits or rejects it."""

    kind = "requires_approval"
    refuse_by_default: bool = False
    """Whether clients are offered no plain approval, so that a form which is sent as it is refuses; to carry the call out, one sends an
    edit, which need not change anything. What a program sends as an approval counts as one."""

    def describe(self) -> str:
        """Return the rule as the model reads it."""
        return f"A person decides on each call of {self.tool}."


RULES: Mapping[str, type[ToolRule]] = {
    rule.kind: rule
    for rule in (
        InitRule, ChildRule, ParentRule, ConditionalRule, ContinueRule, TerminalRule, MaxCountRule, RequiredBeforeExitRule, RequiresApprovalRule,
    )
}  # fmt: skip
"""The kinds of rules, by the name under which one is stored."""


class Rulebook:
    """An agent's rules together.

    Raises:
        ConfigurationError: a rule names a tool that the agent does not have.
    """

    def __init__(self, rules: Sequence[ToolRule] = (), names: Sequence[str] | None = None) -> None:
        self.rules = tuple(rules)
        for rule in self.rules:
            for name in (rule.tool, *rule.others()):
                if names is not None and name not in names:
                    raise ConfigurationError(
                        f"The rule {rule.kind} names the tool {name!r}, which the agent does not have. Its tools are: {', '.join(names)}."
                    )

    def __bool__(self) -> bool:
        return bool(self.rules)

    def allowed(self, names: Sequence[str], called: Sequence[Called]) -> tuple[list[str], str]:
        """Return which tools may be called now, in their order, and why the others may not; all of them where no rule speaks."""
        done = [call for call in called if not call.failed]
        may, why = list(names), ""
        following = self._following(done[-1]) if done else self._first()
        if following is not None:
            may = [name for name in may if name in following[0]]
            why = following[1]
        last = done[-1].name if done else None
        for child, rules in self._parents().items():
            if child in may and last not in {rule.tool for rule in rules}:
                may.remove(child)
                why = why or " ".join(rule.describe() for rule in rules)
        for rule in self.rules:
            if isinstance(rule, MaxCountRule) and rule.tool in may and sum(c.name == rule.tool for c in called) >= rule.limit:
                may.remove(rule.tool)
                why = why or rule.describe()
        return may, why

    def _first(self) -> tuple[list[str], str] | None:
        first = [rule for rule in self.rules if isinstance(rule, InitRule)]
        return ([rule.tool for rule in first], " ".join(rule.describe() for rule in first)) if first else None

    def _following(self, last: Called) -> tuple[list[str], str] | None:
        may: list[str] = []
        descriptions: list[str] = []
        for rule in self.rules:
            if rule.tool != last.name:
                continue
            if isinstance(rule, ChildRule):
                may += rule.children
                descriptions.append(rule.describe())
            elif isinstance(rule, ConditionalRule):
                child = rule.children_by_result.get(last.result.strip(), rule.default)
                may += [child] if child else []
                descriptions += [rule.describe()] if child else []
        return (may, " ".join(descriptions)) if descriptions else None

    def _parents(self) -> dict[str, list[ParentRule]]:
        found: dict[str, list[ParentRule]] = {}
        for rule in self.rules:
            if isinstance(rule, ParentRule):
                for child in rule.children:
                    found.setdefault(child, []).append(rule)
        return found

    def missing(self, called: Sequence[Called]) -> list[str]:
        """Return the tools that must have been called before the turn may end, and were not (tried in vain counts)."""
        tried = {call.name for call in called}
        return [r.tool for r in self.rules if isinstance(r, RequiredBeforeExitRule) and r.tool not in tried]

    def goes_on(self, name: str) -> bool:
        """Whether the agent always gets another step after this tool: it is said so, or another tool has to follow."""
        return any(r.tool == name and isinstance(r, ContinueRule | ChildRule) for r in self.rules)

    def ends(self, name: str) -> bool:
        """Whether the turn is over after this tool."""
        return any(r.tool == name and isinstance(r, TerminalRule) for r in self.rules)

    def needs_approval(self, name: str) -> bool:
        """Whether a person decides on each call of this tool."""
        return any(r.tool == name and isinstance(r, RequiresApprovalRule) for r in self.rules)

    def refuses_by_default(self, name: str) -> bool:
        """Whether clients are offered no plain approval of this tool's calls."""
        return any(r.tool == name and isinstance(r, RequiresApprovalRule) and r.refuse_by_default for r in self.rules)

    def describe(self) -> str:
        """Return the rules as the model reads them; empty where there are none."""
        lines = [text for rule in self.rules if (text := rule.describe())]
        return "\n".join(["<tool_rules>", *(f"- {line}" for line in dict.fromkeys(lines)), "</tool_rules>"]) if lines else ""


def rules_to_data(rules: Sequence[ToolRule]) -> list[dict[str, Any]]:
    """Return rules as JSON's types: each with its ``kind`` and its fields."""
    return [{"kind": rule.kind, **{k: _thawed(v) for k, v in asdict(rule).items() if v is not False}} for rule in rules]


def rules_from_data(data: Sequence[Mapping[str, Any]]) -> list[ToolRule]:
    """Return rules from what :func:`rules_to_data` gave.

    Raises:
        ConfigurationError: a kind or a field is unknown, missing or of the wrong type; the message names it.
    """
    rules: list[ToolRule] = []
    for given in data:
        kind = str(given.get("kind"))
        if kind not in RULES:
            raise ConfigurationError(f"There is no kind of rule {kind!r}. The kinds are: {', '.join(RULES)}.")
        known = {f.name for f in fields(RULES[kind])}
        values: dict[str, Any] = {k: _frozen(v) for k, v in given.items() if k != "kind"}
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ConfigurationError(f"A rule {kind} has no field {unknown[0]!r}. Its fields are: {', '.join(sorted(known))}.")
        wrong = [f.name for f in fields(RULES[kind]) if f.name in values and not _is_right(f.name, values[f.name])]
        if wrong or "tool" not in values:
            name = wrong[0] if wrong else "tool"
            raise ConfigurationError(f"A rule {kind} has {name} = {values.get(name)!r}, which cannot be.")
        rules.append(RULES[kind](**values))
    return rules


def rules_in_force(given: Sequence[ToolRule], stored: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[ToolRule]:
    """Return the rules that were given, or else those that are stored; of the stored, those whose tools are there.

    Raises:
        ConfigurationError: a rule that was given names a tool that the agent does not have.
    """
    if given:
        return list(Rulebook(given, names).rules)
    return [rule for rule in rules_from_data(stored) if {rule.tool, *rule.others()} <= set(names)]


def _is_right(name: str, value: Any) -> bool:
    """Whether a value has the type that a field of this name has in every rule."""
    match name:
        case "children":
            return isinstance(value, tuple) and all(isinstance(one, str) for one in cast(tuple[Any, ...], value))
        case "children_by_result":
            return isinstance(value, Mapping) and all(isinstance(one, str) for one in cast(dict[str, Any], value).values())
        case "default":
            return value is None or isinstance(value, str)
        case "limit":
            return isinstance(value, int) and not isinstance(value, bool)
        case "refuse_by_default":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _frozen(value: Any) -> Any:
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value


def _thawed(value: Any) -> Any:
    return list(cast(tuple[Any, ...], value)) if isinstance(value, tuple) else value


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)
