"""The graph: its wiring, its routers, and the graph that `langgraph.json` names."""
