"""Turns: one event at a time in a conversation, read while it runs, finished after a crash; waking, sleep, letters, approvals."""
