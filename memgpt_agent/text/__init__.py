"""Text processing for all layers: words of a language, and long texts in chunks."""
