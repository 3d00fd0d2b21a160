"""The embedded store: one SQLite file, with FAISS indexes derived from it."""
