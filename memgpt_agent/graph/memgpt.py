"""The graph ``memgpt`` as ``langgraph.json`` names it: bare, for a server that brings its own checkpointer and store."""

from memgpt_agent.graph.builder import create_graph

graph = create_graph(memory_scope="server")
