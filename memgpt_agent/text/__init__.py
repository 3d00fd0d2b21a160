"""Text as all layers see it: words of a language, and long texts in chunks."""
