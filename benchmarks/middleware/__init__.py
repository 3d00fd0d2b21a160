"""LoCoMo replayed through LangChain's ``create_agent``, with our middleware and with LangChain's summarization."""
