"""The page: people see, search and mend what agents remember, in a browser."""
