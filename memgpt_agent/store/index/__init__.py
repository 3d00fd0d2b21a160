"""A namespace's search index in memory: vectors, words and filter fields, derived from the store's file."""
