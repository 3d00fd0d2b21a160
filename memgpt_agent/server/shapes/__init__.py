"""The shapes of requests and answers, as clients send and expect them."""
