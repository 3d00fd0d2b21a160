"""The graph ``sleeptime`` as ``langgraph.json`` names it: the sleep-time agent, for a server that brings checkpointer and store."""

from memgpt_agent.graph.builder import create_graph

graph = create_graph(profile="sleeptime", memory_scope="server")
