"""The app for `langgraph.json`: `{"http": {"app": "memgpt_agent.server.mounted:app", "enable_custom_route_auth": true}}`."""

from memgpt_agent.server.app import create_app

app = create_app(beside=True)
"""The routes under ``/v1``, beside LangGraph Server's own. Nothing is opened before that server starts."""
