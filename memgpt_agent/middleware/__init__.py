"""An agent's memory for other agents: a middleware for LangChain's create_agent, and the tools alone."""
