"""How much of each request is the same as in the request before, and what a provider's prompt cache serves of it."""
