"""The agent's tools: one module for each tier, and their registry."""
