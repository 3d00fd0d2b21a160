"""An agent's memory in agents that are not ours: a middleware for LangChain's create_agent, and the tools alone."""
