"""The routes, one module for each kind of thing."""

from fastapi import APIRouter

from memgpt_agent.server.routes import (
    agents,
    blocks,
    chat_completions,
    conversations,
    docs,
    elsewhere,
    folders,
    health,
    messages,
    models,
    passages,
    runs,
    tools,
)

BESIDE: tuple[APIRouter, ...] = (
    agents.router, messages.router, messages.every, conversations.router, blocks.router, passages.router, tools.router,
    folders.router, models.router, runs.router, chat_completions.router, elsewhere.router,
)  # fmt: skip
"""The routers of paths under ``/v1``, in the order in which a path is looked for; the last answers for what is not here."""
ROUTERS: tuple[APIRouter, ...] = (health.router, docs.router, *BESIDE)
"""All routers."""
