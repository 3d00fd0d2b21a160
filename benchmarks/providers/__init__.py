"""Every provider with its real LangChain client, against servers of this machine that refuse what the provider refuses."""
