"""Memory exams for a whole agent with a real model."""
