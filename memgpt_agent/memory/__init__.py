"""The tiers of an agent's memory, over a store."""
