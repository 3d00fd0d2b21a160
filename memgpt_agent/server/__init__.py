"""The HTTP face: Letta's interface, OpenAI's chat completions, health; called by `memgpt serve` or mounted in another server."""

from memgpt_agent.server.app import create_app

__all__ = ["create_app"]
