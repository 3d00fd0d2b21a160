"""The schemas of requests and responses, as clients send and expect them."""
