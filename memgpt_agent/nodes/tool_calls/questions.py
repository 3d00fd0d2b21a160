"""Before a call runs: whether rules and people allow it, and matching answers to questions, even after a crash."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import ExecutionInfo

from memgpt_agent.errors import ToolError
from memgpt_agent.events import HIDDEN, mark_of
from memgpt_agent.nodes.approval import ask
from memgpt_agent.nodes.profile_rules import is_draft, refusal
from memgpt_agent.nodes.receiving import done_calls
from memgpt_agent.nodes.tool_calls.returned import Returned
from memgpt_agent.nodes.tool_calls.step import Call, Done, Outcome, Step
from memgpt_agent.prompts import CALL_GIVEN_UP, CHECK_ANSWER, INTERRUPTED, INVALID_CALL, SAID_ALREADY
from memgpt_agent.text.cleaning import clean
from memgpt_agent.tools.messages import SEND_MESSAGE, SENT
from memgpt_agent.tools.registry import validated


def judge(step: Step, call: Call, done: Sequence[Done]) -> tuple[Call, Outcome | None]:
    """Return the call, with the arguments as a person may have edited them, and its outcome if it must not be carried out.

    It stops the graph if a person has to decide. ``done`` are the calls of this run of the node before it. After a
    call that was given up, in this run or an earlier one, no call begins.
    """
    key = call.key.removeprefix(HIDDEN)
    if known := done_calls(step.session.memory.journal, [key]).get(key):
        said = known.text if known.role == "assistant" else ""
        text = SENT if said and not known.tool else known.text  # of what was spoken, recall holds the words
        return call, Outcome(text, known.failed, done_before=True, said=said, beyond=Returned.decoded(known.beyond))
    if call.unread:
        return call, Outcome(INVALID_CALL.format(error=call.unread), failed=True)
    if any(one.outcome.text == CALL_GIVEN_UP for one in (*step.earlier, *done)):  # nobody is asked about what is not to be begun
        return call, Outcome(INTERRUPTED, failed=True)
    call, decided = _allowed(step, call, done)
    if decided is not None:
        return call, decided
    if _said_already(step, call, done):
        return call, Outcome(SAID_ALREADY, failed=True)
    if is_draft(step.session, step.turn, call.name, call.parsed.arguments):
        return call, Outcome(CHECK_ANSWER, failed=True)
    if step.session.cut_off_twice:  # the process died in the first call that was not noted
        return call, Outcome(CALL_GIVEN_UP, failed=True)
    return call, None


def _said_already(step: Step, call: Call, done: Sequence[Done]) -> bool:
    """Whether the user has read these very words in this turn: a weak model repeats them until it is stopped."""
    text = call.parsed.arguments.get("message")
    if call.name != SEND_MESSAGE or not isinstance(text, str):
        return False
    said = [one.outcome.said for one in (*step.earlier, *done)]
    said += [m.text for m in step.queue if mark_of(m).get("kind") == "reply" and mark_of(m).get("turn") == step.turn["id"]]
    return text.strip() in [words.strip() for words in said if words]


def _allowed(step: Step, call: Call, done: Sequence[Done]) -> tuple[Call, Outcome | None]:
    """Return the call as a person may have edited it, and its outcome where a rule or a person forbids it, or a person answers for the tool."""
    resources = step.session.resources
    refused = refusal(step.session, call.name, step.called(done)) if resources.rules else ""
    if refused or not resources.rules.needs_approval(call.name):
        return call, Outcome(refused, failed=True) if refused else None
    try:
        validated(resources.tools.get(call.name), call.parsed.arguments)
    except ToolError as error:
        return call, Outcome(str(error), failed=True)
    decision = ask(
        call.name, call.parsed.arguments, call.id, call.parsed.thinking, refuse_by_default=resources.rules.refuses_by_default(call.name)
    )
    if decision.arguments is not None:
        call = replace(call, parsed=replace(call.parsed, arguments=decision.arguments), edited=True)
    if decision.type == "respond":
        return call, Outcome(clean(decision.result))
    return call, Outcome(decision.refusal, failed=True) if decision.type == "reject" else None


_SCRATCHPAD = "__pregel_scratchpad"
_CHECKPOINTER = "__pregel_checkpointer"
_ANSWERS_BY_ID = "__pregel_resume_map"
_ANCESTORS = "checkpoint_map"
_QUESTIONS, _ANSWERS = "__interrupt__", "__resume__"


def with_own_answers(config: RunnableConfig, run: ExecutionInfo | None) -> RunnableConfig:
    """Return the config under which ``interrupt()`` takes an answer only if it is meant for a question of the running task.

    LangGraph gives a plain value to the first question that comes up, also to one that nobody has seen, and an answer by id to the next
    question of the same task. So after a crash, or where a client answers twice, an answer would decide on another call. Here a plain
    value counts if whoever gave it was shown this task's question, and an answer by id if that question is the one that waits.

    **Limits**: the config is returned as it is if there is no checkpointer that can be read in sync code. Resuming with ``None``
    while the second question of one call waits repeats the plain value that answered the first: LangGraph keeps it.
    """
    given: dict[str, Any] = config.get("configurable", {})
    scratchpad, by_id = given.get(_SCRATCHPAD), given.get(_ANSWERS_BY_ID)
    if scratchpad is None or run is None or not (by_id or scratchpad.get_null_resume(False) is not None):
        return config
    stored = _stored_writes(given, run)
    if stored is None:
        return config
    own, shown = stored
    waiting = _questions(own)
    if not waiting & _questions(shown):
        scratchpad = replace(scratchpad, get_null_resume=_nothing)
    if by_id and not waiting & by_id.keys():
        earlier = [answer for channel, answers in own if channel == _ANSWERS for answer in answers]
        scratchpad = replace(scratchpad, resume=earlier)
    return {**config, "configurable": {**given, _SCRATCHPAD: scratchpad}}


def _questions(writes: list[tuple[str, Any]]) -> set[str]:
    return {question.id for channel, found in writes if channel == _QUESTIONS for question in found}


def _stored_writes(given: dict[str, Any], run: ExecutionInfo) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]] | None:
    """Return the stored state of the running task and of the outermost graph, which was the one resumed; ``None`` if unreadable."""
    saver, ancestors = given.get(_CHECKPOINTER), cast(dict[str, str], given.get(_ANCESTORS, {}))
    places = [(ns, checkpoint) for ns, checkpoint in ancestors.items() if checkpoint == run.checkpoint_id]
    if not isinstance(saver, BaseCheckpointSaver) or not places:
        return None
    read: list[list[Any]] = []
    for namespace, checkpoint in (places[0], next(iter(ancestors.items()))):
        place = {"thread_id": run.thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint}
        try:
            found = cast("BaseCheckpointSaver[Any]", saver).get_tuple({"configurable": place})
        except NotImplementedError:  # a saver with an async face only
            return None
        if found is None:
            return None
        read.append(list(found.pending_writes or []))
    own, shown = read
    return [(channel, value) for task, channel, value in own if task == run.task_id], [(c, value) for _, c, value in shown]


def _nothing(consume: bool = False) -> None:
    """Stands for a plain value that answers another question."""
