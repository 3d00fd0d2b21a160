"""Generated malformed model outputs, played through the real graph."""
