"""The routes, one module for each kind of thing."""

from fastapi import APIRouter

from memgpt_agent.server.routes import agents, blocks, health, messages, runs

ROUTERS: tuple[APIRouter, ...] = (health.router, messages.router, blocks.router, agents.router, runs.router)
"""All routers, in the order in which a path is looked for."""
