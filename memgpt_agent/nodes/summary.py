"""Writing the running summary in pieces that fit the summarizer, with a plain digest as fallback."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from tenacity import Retrying

from memgpt_agent.models import context_window_tokens
from memgpt_agent.models.dialects import Wanted, speak
from memgpt_agent.nodes.answers import spoken_text
from memgpt_agent.nodes.model_call import retry_policy, tagged, within
from memgpt_agent.nodes.session import UNKNOWN_WINDOW_TOKENS, Session
from memgpt_agent.nodes.token_usage import usage_of
from memgpt_agent.prompts import SUMMARIZE, SUMMARIZE_SHORTER, plain_digest
from memgpt_agent.state import TokenUsage

SUMMARY_SHARE = 0.1
"""The summary may fill this share of the budget."""
_WORDS_PER_TOKEN = 0.5
_MAX_CALLS = 48
"""The most answers of the summarizer in one eviction; a plain digest covers the rest."""
_ATTEMPTS = 2
"""How many answers to ask for one text if the first cannot be used."""
_REFUSAL = re.compile(
    r"\A\W*(?:i['’]?m|i am)? ?(?:really |very )?(?:sorry|unable to|not able to|i (?:can ?not|can['’]t|won['’]t))\b",
    re.IGNORECASE,
)
_REFUSED = {"refusal", "content_filter", "safety"}


@dataclass
class Summarizer:
    """Folds lines of the conversation into its summary; never raises for a model's failure."""

    session: Session
    """Whose conversation it is."""
    config: RunnableConfig
    """The node's configuration."""
    calls_left: int = _MAX_CALLS
    """How many answers may still be asked for."""
    model: BaseChatModel = field(init=False)
    """The model that writes."""
    used: list[TokenUsage] = field(default_factory=list[TokenUsage])
    """The tokens of its answers."""

    def __post_init__(self) -> None:
        resources, context = self.session.resources, self.session.context
        self.model = resources.caches.chat_model(context.summarizer_model, resources.summarizer or self.session.model)
        window = min(self.session.window_tokens, context_window_tokens(self.model) or UNKNOWN_WINDOW_TOKENS)
        self.limit_tokens = max(64, int(self.session.budget_tokens * SUMMARY_SHARE))
        self.input_tokens = max(256, min(self.session.budget_tokens, window * 3 // 4) // 2)

    def fold(self, summary: str, lines: Sequence[str]) -> str:
        """Return the summary with the lines folded in, within its limit.

        Lines that fit one prompt are folded in at once. More are summarised piece by piece, and then the summaries are.
        """
        pieces = self._pieces(lines)
        while len(pieces) > 1:
            pieces = self._pieces([self._written("", piece) for piece in pieces])
        return self._written(summary, pieces[0]) if pieces else summary

    def ask(self, prompt: str) -> str:
        """Return the model's text, retrying while the provider is busy; nothing if it fails, refuses or has written enough."""
        if self.calls_left <= 0 or self.session.cut_off_twice:
            return ""
        self.calls_left -= 1
        try:
            for attempt in Retrying(**retry_policy(self.session.context)):
                with attempt:
                    return self._answer(prompt)
        except (AssertionError, GraphBubbleUp):
            raise
        except Exception:  # noqa: BLE001, S110  whatever a provider raises: the digest stands in
            pass
        return ""

    def _answer(self, prompt: str) -> str:
        seconds = self.session.context.model_timeout_seconds
        spoken = speak(self.model, [HumanMessage(prompt)], wanted=Wanted(window_tokens=self.session.window_tokens))
        answers = within(seconds, lambda: iter([spoken.invoke(tagged(self.config))]))
        answer: AIMessage = next(iter(answers))
        answers.close()
        self.used.append(usage_of(answer, self.session.counter.count_text(prompt)))
        self.session.note_usage(self.used[-1])
        text = spoken_text(answer.text)
        return "" if _refused(answer, text) else text

    def _written(self, summary: str, piece: str) -> str:
        limit = self.limit_tokens
        prompt = SUMMARIZE.format(words=int(limit * _WORDS_PER_TOKEN), summary=summary or "(none yet)", messages=piece)
        for _ in range(_ATTEMPTS):
            text = self.ask(prompt)
            if text and self.session.counter.count_text(text) <= limit:
                return text
            if text:
                prompt = SUMMARIZE_SHORTER.format(words=int(limit * _WORDS_PER_TOKEN / 2), text=self._cut(text))
        return self._digest(summary, piece)

    def _digest(self, summary: str, piece: str) -> str:
        """Half of the room for the old summary, half for the beginnings of the lines."""
        limit = self.limit_tokens
        kept = self.session.counter.truncate(summary, limit // 2)
        digest = plain_digest(piece.split("\n"), limit * 2 if kept else limit * 3)
        return self.session.counter.truncate("\n".join(filter(None, [kept, digest])), limit)

    def _cut(self, text: str) -> str:
        return self.session.counter.truncate(text, self.input_tokens)

    def _pieces(self, lines: Sequence[str]) -> list[str]:
        """Join lines into pieces that fit the summarizer; a line that is too long by itself is shortened."""
        pieces: list[str] = []
        room = 0
        for line in filter(None, lines):
            short = self.session.counter.truncate(line, self.input_tokens // 2)
            tokens = self.session.counter.count_text(short) + 1
            if not pieces or tokens > room:
                pieces.append(short)
                room = self.input_tokens - tokens
            else:
                pieces[-1] += f"\n{short}"
                room -= tokens
        return pieces


def _refused(answer: AIMessage, text: str) -> bool:
    metadata: dict[str, Any] = {**answer.response_metadata, **answer.additional_kwargs}  # pyright: ignore[reportUnknownMemberType]
    reasons = {str(metadata.get(key, "")).lower() for key in ("finish_reason", "stop_reason")}
    return bool(metadata.get("refusal") or reasons & _REFUSED or _REFUSAL.match(text))
