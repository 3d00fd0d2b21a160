"""What a search of a namespace needs in memory: vectors, words and filter fields, derived from the store's file."""
