"""One model call of a LangChain agent: the prompt compiled within the budget, and the update of the state."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain.agents.middleware.types import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from memgpt_agent.errors import ModelError
from memgpt_agent.events import Mark, mark_of, with_mark
from memgpt_agent.memory.core import Block
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.main_context import choose_evicted
from memgpt_agent.middleware.conversation import MiddlewareConversation, noted, update_of
from memgpt_agent.middleware.request_schemas import RequestSchemas
from memgpt_agent.middleware.state import KEY, MiddlewareRegisters, with_text_behind
from memgpt_agent.models.dialects import speaks_dialect
from memgpt_agent.models.dialects.schemas import own_keys
from memgpt_agent.models.failures import is_filtered, refuses_content
from memgpt_agent.models.too_long import TooLong
from memgpt_agent.nodes.call_llm import MAX_REFUSALS
from memgpt_agent.nodes.compile_context import stored_blocks
from memgpt_agent.nodes.main_context import assemble, squeeze
from memgpt_agent.nodes.model_facts import after_answer, after_refusal
from memgpt_agent.nodes.receiving import close_open_calls
from memgpt_agent.nodes.refused_parts import reductions
from memgpt_agent.nodes.sent_memory import bring_up_to_date, with_sent
from memgpt_agent.nodes.session import Session, default_prompt_tokens
from memgpt_agent.nodes.summarize_overflow import make_room
from memgpt_agent.nodes.token_usage import usage_of
from memgpt_agent.prompts import alert_note, memory_pressure
from memgpt_agent.state import AgentState, CompiledPrompt, Turn

_ROUNDS = 8
"""Evictions before one model call, at most."""


@dataclass
class PreparedCall:
    """A model call that is being prepared, made, and noted."""

    session: Session
    """The session; its budget is that of the request's model."""
    config: RunnableConfig
    """The node's configuration."""
    request: ModelRequest[Any]
    """What the agent, and the middleware before ours, want to send."""
    conversation: MiddlewareConversation
    """The messages of the state."""
    registers: MiddlewareRegisters
    """The middleware's registers, as they will be stored with the answer."""
    offers: RequestSchemas
    """Counts what is offered."""
    instructions: str
    """How memory works, in words for the model."""
    evicted: list[AnyMessage] = field(default_factory=list[AnyMessage])
    """What leaves the state."""
    refused: int = 0
    """Times that the provider refused the prompt as too long."""
    _new_marks: dict[str, Mark] = field(default_factory=dict[str, Mark])
    """Our notes on messages with which something newly rides, by the ids under which we know them."""

    @property
    def turn(self) -> Turn:
        """The running turn."""
        return self.conversation.turn

    def prepared(self) -> ModelRequest[Any]:
        """Return the request with the memory in it, within the budget; the oldest exchanges leave where it is too small.

        Raises:
            ContextTooSmall: even the newest message does not fit beside the system prompt, the blocks and the tools.
        """
        self._with_own_prompt()
        blocks, schemas = stored_blocks(self.session), self.offers.schemas(self.request.tools, self.request.response_format)
        self._bring_up_to_date(blocks)
        prompt, usage = self._compiled(blocks, schemas)
        for _ in range(_ROUNDS):
            if usage["total"] <= usage["budget"] or not choose_evicted(self._view(), lambda _: 1, 1):
                break
            self._make_room(usage)
            self._bring_up_to_date(blocks)
            prompt, usage = self._compiled(blocks, schemas)
        if usage["total"] > usage["budget"]:
            self._bring_up_to_date(blocks, anew=True)
            prompt, usage = self._compiled(blocks, schemas)
        if usage["total"] > usage["budget"]:
            prompt, usage = squeeze(self.session, self._state(), prompt, usage, self._view())
        else:
            prompt, usage = self._warned(prompt, usage)
        self.registers["context_usage"] = usage
        self.registers["core_memory"] = {block.label: block.value for block in blocks}
        wanted = replace(self.session.wanted, native=False, conversation="")  # thinking and cache marks are the developer's choice here
        return self.request.override(
            messages=cast(list[AnyMessage], prompt["messages"][1:]), system_message=self._system(prompt),
            model=speaks_dialect(self.request.model, self.request.tools, wanted),
        )  # fmt: skip

    def _with_own_prompt(self) -> None:
        """Let the system section be the agent's own system prompt and, behind it, how memory works."""
        own = self.request.system_message.text if self.request.system_message else ""
        whole = "\n\n".join(filter(None, [own, self.instructions]))
        self.session = replace(self.session, resources=replace(self.session.resources, system_prompt=whole))

    def _system(self, prompt: CompiledPrompt) -> SystemMessage:
        """Return the compiled system message; blocks of the agent's own one stay as they are."""
        text, own = prompt["messages"][0].text, self.request.system_message
        if own is None or isinstance(own.content, str):
            return SystemMessage(text)
        behind = {"type": "text", "text": text.removeprefix(own.text).strip()}
        return own.model_copy(update={"content": [*cast(list[Any], own.content), behind]})

    def _bring_up_to_date(self, blocks: list[Block], *, anew: bool = False) -> None:
        """Let what memory has to offer on a new event, and what of it has changed, ride with messages."""
        if most := default_prompt_tokens(self._state()):
            self.registers["prompt_tokens"] = most
        state, agent = self._state(), self.session.agent
        sent, carriers = bring_up_to_date(self.session, state, state["messages"], blocks, self.turn, anew=anew)
        self.registers["sent_memory"] = with_sent(state, self.session, sent)
        if carriers:
            self._new_marks |= {str(m.id): mark_of(m) for m in carriers}
            self._viewed = None
        changed = {m.id: m for m in self.conversation.changed}
        for given, mine in zip(self.request.state["messages"], self._all, strict=True):
            if (mark := self._new_marks.get(str(mine.id))) is not None:
                changed[given.id] = noted(changed.get(given.id, given), mark, agent)
        self.conversation.changed = list(changed.values())

    def _state(self) -> AgentState:
        return cast(AgentState, {**self.registers, "messages": self._view()})

    def _view(self) -> list[AnyMessage]:
        """Return the request's messages, as other middleware may have edited them, with our notes and without what was evicted."""
        if self._viewed is None:  # of a hundred messages it takes milliseconds, and is asked for again and again
            self._viewed = self._made_view()
        return self._viewed

    def _made_view(self) -> list[AnyMessage]:
        own = {m.id: m for m in self.conversation.messages}
        prepared = {given.id: (given, mine) for given, mine in zip(self.request.state["messages"], self._all, strict=True)}
        view: list[AnyMessage] = []
        for message in self.request.messages:
            if message.id not in prepared:
                view.append(message)
                continue
            given, mine = prepared[message.id]
            if mine.id in own and message is given:
                view.append(mine)
            elif mine.id in own:
                content = mine.content if message.content == given.content else message.content
                view.append(cast(AnyMessage, with_mark(message, mark_of(mine)).model_copy(update={"id": mine.id, "content": content})))
        marks = self._new_marks
        return [cast(AnyMessage, with_mark(m, marks[str(m.id)])) if str(m.id) in marks else m for m in [*view, *self._closed_calls]]

    def __post_init__(self) -> None:
        self._viewed: list[AnyMessage] | None = None
        self._reductions: list[list[AnyMessage]] | None = None
        self._all = list(self.conversation.messages)
        before = cast(AgentState, {"messages": self._all, "turn": self.registers.get("turn")})
        self._closed_calls = close_open_calls(before, self.session) if self.registers.get("turn") else []
        self.registers["turn"] = self.turn

    def _compiled(self, blocks: list[Block], schemas: list[dict[str, Any]]) -> tuple[CompiledPrompt, dict[str, int]]:
        tokens = self.session.resources.caches.schema_tokens(self.session.counter, schemas)
        prompt, usage = assemble(self.session, self._state(), self._view(), blocks, schemas, tokens)
        for place, text in (self.registers.get("alerts") or {}).items():
            prompt, usage = self._with_memory(prompt, usage, place, text)
        return prompt, usage

    def _make_room(self, usage: Mapping[str, int]) -> None:
        state = cast(AgentState, {**self._state(), "context_usage": dict(usage)})
        update = make_room(self.session, self.config, state)
        ids = {m.id for m in update["messages"]}
        gone = [m for m in state["messages"] if m.id in ids]
        self.evicted += gone
        self.conversation.leave(gone)
        self._viewed = None
        self._closed_calls = [m for m in self._closed_calls if m.id not in ids]
        self.registers["summary"] = update["summary"]
        self.registers["sent_memory"] = update["sent_memory"]
        self.registers["memory_pressure_warned"] = False
        self.registers["alerts"] = {}

    def _warned(self, prompt: CompiledPrompt, usage: dict[str, int]) -> tuple[CompiledPrompt, dict[str, int]]:
        """Tell the agent, once since the last eviction, that context is running out."""
        share = usage["total"] / usage["budget"]
        if self.registers.get("memory_pressure_warned") or share <= self.session.context.memory_pressure_share:
            return prompt, usage
        last = prompt["messages"][-1]
        place = last.tool_call_id if isinstance(last, ToolMessage) else str(last.id)
        text = memory_pressure(share, self.session.resources.tools.names, [])
        with_memory, used = self._with_memory(prompt, usage, place, text)
        if used["total"] > used["budget"]:
            return prompt, usage
        self.registers["memory_pressure_warned"] = True
        self.registers["alerts"] = {**(self.registers.get("alerts") or {}), place: text}
        return with_memory, used

    def _with_memory(
        self, prompt: CompiledPrompt, usage: dict[str, int], place: str, text: str
    ) -> tuple[CompiledPrompt, dict[str, int]]:
        """Return the prompt with something told behind the message, or the result, of an id, where it is there."""
        note = alert_note(text)
        messages = list(prompt["messages"])
        for nth, message in enumerate(messages):
            if place == (message.tool_call_id if isinstance(message, ToolMessage) else message.id):
                messages[nth] = with_text_behind(message, note)
                more = int(self.session.counter.count_text(note) * self.session.facts["factor"]) + 2
                usage = {**usage, "messages": usage["messages"] + more, "total": usage["total"] + more}
        return CompiledPrompt(messages=messages, tools=prompt["tools"]), usage

    def leaves_out(self, error: Exception) -> bool:
        """Leave out of the next prompt what the provider seems to refuse; return whether there is a smaller prompt to try, at most two.

        The state keeps the parts, marked, so that no later prompt contains them either.
        """
        view = self._view()
        attached = isinstance(view[-1], ToolMessage) or any(m.type == "human" and isinstance(m.content, list) for m in view)
        if not refuses_content(error, attached=attached) or is_filtered(error):
            return False
        if self._reductions is None:
            self._reductions = reductions(view, self.turn, error)
        if not self._reductions:
            return False
        self._new_marks |= {str(m.id): mark_of(m) for m in self._reductions.pop(0)}
        self._viewed = None
        return True

    def shrink(self, refusal: TooLong, error: Exception) -> None:
        """Learn from a provider's refusal of the prompt as too long, so that the next one is smaller.

        Raises:
            ModelError: it was made smaller as often as may be.
        """
        self.refused += 1
        if self.refused > MAX_REFUSALS:
            raise ModelError(
                f"The provider refused the prompt as too long, also after it was made smaller {MAX_REFUSALS} times: {error}. "
                "Set context_window to the model's true window."
            ) from error
        self.registers["model_facts"] = after_refusal(self.session, self._state(), refusal, self._counted, self.refused)

    @property
    def _counted(self) -> int:
        usage = self.registers.get("context_usage") or {}
        return int(usage.get("total", 0) / self.session.facts["factor"])

    def _in_own_words(self, answer: BaseMessage) -> BaseMessage:
        """Return an answer whose calls name the parameters as the tools' own schemas do."""
        if not isinstance(answer, AIMessage) or not answer.tool_calls:
            return answer
        schemas = self.offers.schemas(self.request.tools, self.request.response_format)
        own: dict[str, Any] = {s["function"]["name"]: s["function"].get("parameters") or {} for s in schemas if "function" in s}
        calls = [{**call, "args": own_keys(call["args"], own.get(call["name"], {}))} for call in answer.tool_calls]
        return answer if calls == answer.tool_calls else answer.model_copy(update={"tool_calls": calls})

    def answered(self, response: ModelResponse[Any]) -> ExtendedModelResponse[Any]:
        """Return the answer, noted as ours, and what follows for the state."""
        agent, turn = self.session.agent, self.turn
        mark = Mark(kind="action", time=stamp(self.session.resources.clock()), turn=turn["id"])
        result: list[BaseMessage] = []
        unkept: list[str] = []
        for message in map(self._in_own_words, response.result):
            if isinstance(message, AIMessage):
                unkept += [str(message.id)] if message.id and message.text else []
                learned = after_answer(self.session, self._state(), message, self._counted)
                self.registers |= cast(MiddlewareRegisters, learned)
                self.session.note_usage(usage_of(message, int(self._counted * self.session.facts["factor"])))
            result.append(noted(message, mark, agent) if isinstance(message, AIMessage) else message)
        self.registers["unkept"] = unkept
        self.registers["turn"] = {**turn, "step": turn["step"] + 1, "agent": agent}
        messages = update_of(self.request.state["messages"], self.conversation, self.evicted)
        update: dict[str, Any] = {KEY: self.registers, **({"messages": messages} if messages else {})}
        return ExtendedModelResponse(replace(response, result=result), Command(update=update))
