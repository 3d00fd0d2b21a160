"""A cache of the model's view of each message, kept from step to step until the message changes."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import AnyMessage, BaseMessage, ToolMessage

from memgpt_agent.events import is_edited

_KEPT_VIEWS = 2_048
_KEPT_CHARS = 16_384
"""Views of longer messages are not kept: they are few, and would fill the memory."""

Results = Mapping[str, ToolMessage]
"""Results of tool calls by the calls' ids."""


@dataclass(frozen=True)
class Seen:
    """The view of one message of the queue in the prompt."""

    messages: tuple[BaseMessage, ...]
    """As the model sees it: nothing, the message, or a call with its results."""
    tokens: tuple[int, ...]
    """The tokens of each."""


@dataclass(frozen=True)
class _View:
    message: AnyMessage
    results: tuple[tuple[str, ToolMessage | None], ...]
    seen: Seen


class ViewCache:
    """Remembers views of messages for all runs of a graph.

    A view holds for a message that has the same content, not only the same id, as one may be replaced under its id; with
    the same results of its calls.
    """

    def __init__(self) -> None:
        self._views: OrderedDict[Hashable, _View] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, how: Hashable, message: AnyMessage, results: Results) -> Seen | None:
        """Return the earlier view of a message, ``how`` being everything else that it depends on."""
        view = self._views.get((message.id, how))
        if view is None or not _same(view.message, message):
            return None
        for call_id, result in view.results:
            if not _same(result, results.get(call_id)):
                return None
        return view.seen

    def keep(
        self, how: Hashable, message: AnyMessage, results: Results, calls: Sequence[str], seen: Seen
    ) -> None:
        """Remember the view of a message whose calls have these ids."""
        if sum(len(m.content) for m in (message, *seen.messages)) > _KEPT_CHARS:
            return
        view = _View(message, tuple((call_id, results.get(call_id)) for call_id in calls), seen)
        with self._lock:
            self._views[(message.id, how)] = view
            if len(self._views) > _KEPT_VIEWS:
                self._views.popitem(last=False)


class UneditedCache:
    """Remembers messages that match the agent's note on them: comparing a message with itself costs a tenth of its digest."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, BaseMessage] = OrderedDict()
        self._lock = threading.Lock()

    def edited(self, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """Return the messages that differ from the note on them."""
        return [m for m in messages if not _same(m, self._known.get(str(m.id))) and self._is_edited(m)]

    def _is_edited(self, message: AnyMessage) -> bool:
        if is_edited(message):
            return True
        with self._lock:
            self._known[str(message.id)] = message
            if len(self._known) > _KEPT_VIEWS:
                self._known.popitem(last=False)
        return False


def _same(one: BaseMessage | None, other: BaseMessage | None) -> bool:
    if one is other:
        return True
    return one is not None and other is not None and type(one) is type(other) and one.__dict__ == other.__dict__
