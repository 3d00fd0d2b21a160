"""Matching answers to questions: a call gets only answers to its own question, even after a crash."""

from dataclasses import replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import ExecutionInfo

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
