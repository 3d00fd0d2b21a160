"""Taking turns: one event at a time in a conversation, read as it runs, finished after a crash; waking, sleep, letters and approvals."""
