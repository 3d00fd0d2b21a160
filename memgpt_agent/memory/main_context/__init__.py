"""Main context of a conversation: the queue, the model's view of it, and pages that leave and come back."""

from memgpt_agent.memory.main_context.pages import PAGE_SHARE, QueueView, keep_pages, next_page, page_text, pages_of
from memgpt_agent.memory.main_context.queue import (
    AS_EVENTS,
    Beside,
    Exchange,
    Packing,
    as_lines,
    choose_evicted,
    results_of,
    seen_of,
    split_exchanges,
    split_steps,
)

__all__ = [
    "AS_EVENTS", "PAGE_SHARE", "Beside", "Exchange", "Packing", "QueueView", "as_lines", "choose_evicted", "keep_pages", "next_page",
    "page_text", "pages_of", "results_of", "seen_of", "split_exchanges", "split_steps",
]  # fmt: skip
