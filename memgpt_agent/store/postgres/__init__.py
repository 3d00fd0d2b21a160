"""The store on PostgreSQL with pgvector: one truth for any number of machines."""
