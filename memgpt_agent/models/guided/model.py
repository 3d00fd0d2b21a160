"""GuidedLlama: a small local model led through a MemGPT turn in steps that each ask it one easy thing."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from typing_extensions import override

from memgpt_agent.models.chat_prompt import PromptTurn, call_head, tokens_of, turns_of
from memgpt_agent.models.engine import Sampling, Usage
from memgpt_agent.models.grammar import schema_grammar
from memgpt_agent.models.guided import words
from memgpt_agent.models.guided.profiles import (
    FINISH,
    LATER_TOOLS,
    REFLECT,
    REFLECTION_SCHEMA,
    SLEEP_TOOLS,
    ModelJudge,
    may_ask_for,
    next_calls,
    owes_reflection,
    read_sleep,
    reflection_arguments,
    reflection_turns,
    translated,
    wants_reflection,
)
from memgpt_agent.models.guided.view import View, content_words, read_view
from memgpt_agent.models.llama import ChatLlama, call_chunk, new_call_id

MAX_STEPS = 4
"""After so many answers in one turn it speaks, whatever it found."""
_HISTORY = 3
_SPEAK_TOKENS = 300
_FOUND_CHARS = 3_000
_OWN_TOOLS = frozenset(
    {
        "send_message",
        "core_memory_append",
        "core_memory_replace",
        "conversation_search",
        "archival_memory_insert",
        "archival_memory_search",
        "read_message",
        "page_out",
        "page_in",
    }
    | LATER_TOOLS
)
_SEARCHES = frozenset({"conversation_search", "archival_memory_search", "recall"})

_OWN = re.compile(r"\b(i|i'm|i've|me|my|mine|myself|we|our|us)\b", re.IGNORECASE)
_ARCHIVE = re.compile(r"\b(archiv\w*|notes?|filed|documents?)\b", re.IGNORECASE)
_SAVE = re.compile(r"\b(save|store|file|archive|note|write|keep|put|record|add|log|stash|jot)\b", re.IGNORECASE)
_QUESTION = re.compile(
    r"^\W*(what|which|who|whom|whose|where|when|why|how|do|does|did|is|are|am|was|were|can|could|will|would|should|have|has)\b",
    re.IGNORECASE,
)
_FACT_GRAMMAR = 'root ::= fact ("\\n" fact)*\nfact ::= "The user" ("\'s")? " " [^\\n]+'

Call = tuple[str, dict[str, Any]]


class GuidedLlama(ChatLlama):
    """A chat model that makes a usable MemGPT agent of a 1.5B model; to the agent an ordinary one.

    It judges what kind of message stands before it, writes the tool call's arguments under constraints, and speaks when
    the tools have answered. Asleep it brings the block about the user up to date.
    Without the agent's tools, or with a named tool, it is :class:`ChatLlama`.

    **Limits**: made for English; cues such as "archive" and first-person words are part of its judgement.
    """

    @property
    @override
    def _llm_type(self) -> str:
        return "memgpt-guided-llama"

    @override
    def _answer(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        usage: Usage,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: str = "auto",
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        functions: dict[str, Mapping[str, Any]] = {tool["function"]["name"]: tool["function"] for tool in tools}
        if "send_message" in functions and tool_choice in {"auto", "required", "send_message"}:
            return self._guided(read_view(messages), functions, tool_choice == "send_message", usage)
        if functions.keys() >= SLEEP_TOOLS and "send_message" not in functions and tool_choice in {"auto", "required"}:
            return self._asleep(messages, functions, usage)
        return super()._answer(messages, stop, usage, tools=tools, tool_choice=tool_choice, **kwargs)

    def _guided(
        self, view: View, functions: Mapping[str, Mapping[str, Any]], must_speak: bool, usage: Usage
    ) -> Iterator[ChatGenerationChunk]:
        if not must_speak and wants_reflection(view, functions):
            yield self._reflection(view, functions[REFLECT], usage)
            return
        if view.user is None and not must_speak:
            yield ChatGenerationChunk(message=AIMessageChunk(content="Nothing to do."))
            return
        calls: list[Call] = []
        if not must_speak and view.user is not None and view.steps < MAX_STEPS:
            added = None if view.found else self._added_call(view.user, functions, usage)
            planned = [added] if added else self._plan(view, view.user, usage)
            calls = translated(planned, functions, {found.tool for found in view.found})
        for index, (name, arguments) in enumerate(calls):
            yield _call(functions[name], {**arguments, "request_heartbeat": True}, index)
        if not calls:
            goes_on = not must_speak and owes_reflection(view, functions)
            yield from self._speak(view, functions["send_message"], usage, goes_on=goes_on)

    def _asleep(
        self, messages: list[BaseMessage], functions: Mapping[str, Mapping[str, Any]], usage: Usage
    ) -> Iterator[ChatGenerationChunk]:
        """Bring the block about the user up to date with what was said, part by part, then end the sleep."""
        in_parts = all("thinking" in (f.get("parameters") or {}).get("properties", {}) for f in functions.values())
        calls = next_calls(
            read_sleep(messages), ModelJudge(self._yes, self._written, self._merged, usage), in_parts=in_parts
        )
        known = [call for call in calls if call[0] in functions] or [(FINISH, {})]
        for index, (name, arguments) in enumerate(known):
            yield _call(functions[name], {**arguments, "request_heartbeat": name != FINISH}, index)

    def _reflection(self, view: View, function: Mapping[str, Any], usage: Usage) -> ChatGenerationChunk:
        """Look back on what was said, as the reminder asked."""
        prompt = tokens_of(self.engine, reflection_turns(view))
        pieces = self.engine.generate(
            prompt, grammar=schema_grammar(REFLECTION_SCHEMA), sampling=Sampling(max_tokens=_SPEAK_TOKENS), usage=usage
        )
        return _call(function, {**reflection_arguments("".join(pieces), view), "request_heartbeat": False})

    def _added_call(self, user: str, functions: Mapping[str, Mapping[str, Any]], usage: Usage) -> Call | None:
        """Return the call of a tool that the user of this package added, if the message asks for what one does."""
        asked: list[tuple[float, str]] = []
        for name in (name for name in functions.keys() - _OWN_TOOLS if may_ask_for(name, user)):
            text = words.TOOL_ASK.format(message=user, name=name, description=functions[name].get("description", ""))
            asked.append((self._yes([PromptTurn("system", words.TOOL), PromptTurn("user", text)], usage), name))
        likely, name = max(asked, default=(0.0, ""))
        if likely <= 0.5:
            return None
        schema: Mapping[str, Any] = functions[name].get("parameters") or {"type": "object", "properties": {}}
        turns = turns_of([HumanMessage(user)], [functions[name]])
        prompt = tokens_of(self.engine, turns, tail=call_head(name))
        sampling = Sampling(max_tokens=_SPEAK_TOKENS)
        text = "".join(self.engine.generate(prompt, grammar=schema_grammar(schema), sampling=sampling, usage=usage))
        try:
            return name, json.loads(text)
        except ValueError:
            return None  # cut by the limit; it speaks instead

    def _plan(self, view: View, user: str, usage: Usage) -> list[Call]:
        """Return what to do before speaking; nothing if it is time to speak."""
        done = [found.tool for found in view.found]
        if not done:
            return self._first_calls(view, user, usage)
        last = view.found[-1]
        if last.tool in _SEARCHES and last.empty and len(done) < 3:
            return [(name, {"query": _query(user)}) for name in sorted(_SEARCHES - set(done))]
        return []

    def _first_calls(self, view: View, user: str, usage: Usage) -> list[Call]:
        judge = self._judge(user, usage)
        question = user.rstrip().endswith("?") or bool(_QUESTION.match(user))
        save = judge(words.SAVE)
        if save > 0.56 or (save > 0.3 and _SAVE.search(user) and not question):
            return [("archival_memory_insert", {"content": _note(user)})]
        if _ARCHIVE.search(user) and judge(words.LOOKUP) > 0.4:
            return [("archival_memory_search", {"query": _query(user)})]
        if judge(words.EARLIER) > 0.62:
            return [("conversation_search", {"query": _query(user)})]
        if not question and (judge(words.TELLS) > 0.5 or (_OWN.search(user) and judge(words.TELLS) > 0.25)):
            return self._edits(view, user, usage)
        if question and _OWN.search(user) and not self._known(view, user, usage):
            return [("conversation_search", {"query": _query(user)})]
        return []

    def _judge(self, user: str, usage: Usage) -> Callable[[str], float]:
        def ask(question: str) -> float:
            turns = [PromptTurn("system", words.JUDGE), PromptTurn("user", f'Message: "{user}"\n{question}')]
            return self._yes(turns, usage)

        return ask

    def _yes(self, turns: Sequence[PromptTurn], usage: Usage) -> float:
        return self.engine.choose(tokens_of(self.engine, turns), ["Yes", "No"], usage=usage)[0]

    def _known(self, view: View, user: str, usage: Usage) -> bool:
        """Whether core memory answers the question."""
        if not view.facts:
            return False
        notes = "\n".join(view.facts)
        text = f'Notes:\n{notes}\n\nThe user asks: "{user}"'
        return self._yes([PromptTurn("system", words.ANSWERED), PromptTurn("user", text)], usage) > 0.5

    def _edits(self, view: View, user: str, usage: Usage) -> list[Call]:
        """Return the edits that bring core memory up to date with what the user told."""
        facts = [fact for fact in self._facts(user, usage) if fact not in view.facts]
        outdated = [line for line in view.facts if self._outdated(line, user, facts, usage)] if facts else []
        calls: list[Call] = []
        for line in outdated:
            new = max(facts, key=lambda fact: len(content_words(fact) & content_words(line)), default="")
            facts = [fact for fact in facts if fact != new]
            change = {
                "label": view.human_label,
                "old_content": line,
                "new_content": self._merged(line, new, view, user, usage),
            }
            calls.append(("core_memory_replace", change))
        if facts:
            calls.append(("core_memory_append", {"label": view.human_label, "content": "\n".join(facts)}))
        return calls

    def _merged(self, old: str, new: str, view: View, user: str, usage: Usage) -> str:
        """Return the new fact with what else the old line held: moving house does not end a marriage.

        Where the model cannot merge the two, the old line stays behind the new fact, marked as past.
        """
        if not new or not set(_names(old)) - set(_names(f"{user} {new}")):
            return new
        turns = [PromptTurn("system", words.MERGE), PromptTurn("user", words.MERGE_ASK.format(note=old, message=user))]
        pieces = self.engine.generate(
            tokens_of(self.engine, turns), grammar=_FACT_GRAMMAR, sampling=Sampling(max_tokens=60), usage=usage
        )
        merged = "".join(pieces).split("\n")[0].strip()
        needed, allowed = set(_names(new)) - set(_names(old)), set(_names(f"{old} {user} {new}"))
        if merged != old and needed <= set(_names(merged)) <= allowed:
            return merged
        return f"{new} Before: {old.rstrip('.')} (until {view.now[:10] or 'then'})."

    def _facts(self, user: str, usage: Usage) -> list[str]:
        """Return what the message says of the user; the message itself where a name is lost."""
        kept = self._written(user, usage)
        if all(name in " ".join(kept) for name in _names(user)) and kept:
            return kept
        return [f'The user said: "{user.strip()}"'] if content_words(user) else []

    def _written(self, user: str, usage: Usage) -> list[str]:
        """Return what the model writes of the user; a fact with a name or number that the message does not hold is dropped."""
        prompt = tokens_of(self.engine, [PromptTurn("system", words.EXTRACT), PromptTurn("user", user)])
        sampling = Sampling(max_tokens=120)
        text = "".join(self.engine.generate(prompt, grammar=_FACT_GRAMMAR, sampling=sampling, usage=usage))
        heard = content_words(user)
        kept: list[str] = []
        for line in dict.fromkeys(line.strip() for line in text.splitlines()):
            named = {
                w.lower()
                for w in re.findall(r"[^\W_]+", line)[2:]
                if (w[0].isupper() or w[0].isdigit()) and content_words(w)
            }
            if line and named <= {w.lower() for w in re.findall(r"[^\W_]+", user)} and content_words(line) & heard:
                kept.append(line)
        return kept

    def _outdated(self, line: str, user: str, facts: Sequence[str], usage: Usage) -> bool:
        """Whether a line must go: only one that shares a word of meaning with what is new is even asked about."""
        known = content_words(" ".join([user, *facts]))
        if not content_words(line) & known:
            return False
        ask = words.OUTDATED_ASK.format(note=line, message=user)
        return self._yes([PromptTurn("system", words.OUTDATED), PromptTurn("user", ask)], usage) > 0.5

    def _speak(
        self, view: View, function: Mapping[str, Any], usage: Usage, *, goes_on: bool = False
    ) -> Iterator[ChatGenerationChunk]:
        """Speak; the text goes out while it is generated."""
        given = _arguments(function, {"message": "", "request_heartbeat": goes_on})
        before, after = json.dumps(given, ensure_ascii=False).split('"message": ""')
        yield call_chunk(name="send_message", call_id=new_call_id(), arguments=f'{before}"message": "')
        prompt = tokens_of(self.engine, _spoken_turns(view))
        sampling = replace(self._sampling(None), max_tokens=_SPEAK_TOKENS, stop=("\n\n\n",))
        said = ""
        for piece in self.engine.generate(prompt, sampling=sampling, usage=usage):
            text = piece if said else piece.lstrip()
            said += text
            if text:
                yield call_chunk(arguments=json.dumps(text, ensure_ascii=False)[1:-1])
        if not said.strip():
            yield call_chunk(arguments="I have noted that.")
        yield call_chunk(arguments=f'"{after}')


def _call(function: Mapping[str, Any], given: Mapping[str, Any], index: int = 0) -> ChatGenerationChunk:
    arguments = json.dumps(_arguments(function, given), ensure_ascii=False)
    return call_chunk(name=function["name"], call_id=new_call_id(), arguments=arguments, index=index)


def _arguments(function: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments in the schema's order; what the schema requires and nobody thought of is empty."""
    parameters: Mapping[str, Any] = function.get("parameters") or {}
    properties: Mapping[str, Any] = parameters.get("properties", {})
    return {name: given.get(name, "") for name in properties if name in given or name in parameters.get("required", ())}


def _names(user: str) -> list[str]:
    """Return the words written with a capital in the middle or the beginning of a sentence that are no common words."""
    return [w for w in re.findall(r"\b[A-Z][^\W_]+", user) if content_words(w)]


def _query(user: str) -> str:
    """Return the words of meaning of a question, in their order."""
    meaning = [w for w in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", user) if content_words(w) and not _ARCHIVE.match(w)]
    return " ".join(meaning) or user


def _note(user: str) -> str:
    """Return the note itself: what stands behind the request to save it."""
    head, colon, rest = user.partition(":")
    if colon and len(rest.split()) >= 3 and _SAVE.search(head):
        return rest.strip()
    return user.strip()


def _spoken_turns(view: View) -> list[PromptTurn]:
    """Return a plain chat: what the agent knows stands in the system text, what the user said is the user's turn."""
    notes = "\n".join(f"- {fact}" for fact in view.facts) or "- (nothing yet)"
    parts = [words.SPEAK, view.persona, f"{words.NOTES}\n{notes}"]
    parts += [f"{label}:\n{text}" for label, text in view.other_blocks]
    if view.summary:
        parts.append(f"{words.SUMMARY}\n{view.summary[:1_500]}")
    if view.now:
        parts.append(f"The time now: {view.now[:16]}")
    parts += _done(view)
    turns = [PromptTurn("system", "\n\n".join(part for part in parts if part))]
    for said, answer in view.exchanges[-_HISTORY:]:
        turns += [PromptTurn("user", said), PromptTurn("assistant", answer or "...")]
    return [*turns, PromptTurn("user", view.user or words.NOBODY)]


def _done(view: View) -> list[str]:
    """Return what the tools of this turn came to, as far as it helps to answer."""
    parts: list[str] = []
    found = [f.text for f in view.found if f.tool not in _OWN_TOOLS - _SEARCHES and not f.empty]
    if found:
        parts.append(f"{words.FOUND}\n" + "\n".join(found)[:_FOUND_CHARS])
    elif any(f.tool in _SEARCHES for f in view.found):
        parts.append(words.FOUND_NOTHING)
    if any(f.tool == "archival_memory_insert" and f.ok for f in view.found):
        parts.append(words.FILED)
    if any(f.tool.startswith(("core_memory", "memory_")) and f.ok for f in view.found):
        parts.append(words.NOTED)
    return parts
