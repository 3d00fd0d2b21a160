"""The embedded model, led through a turn in small steps."""
