"""Whether what was said or filed is found again, by the agent's own search tools, on four public data sets."""
