"""Databases for all who keep something in one: connections to Postgres, SQLite files as files, and what is open in this process."""
