"""What it brings, and what it costs, to offer memories with the events that refer to them."""
