"""A persona as data: a name, a description and traits, rendered as the text of the persona block."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Persona:
    """Who an agent is."""

    name: str
    """What it is called."""
    description: str = ""
    """Who it is, in a sentence."""
    traits: Sequence[str] = ()
    """What it is like, a word or two each."""

    def __str__(self) -> str:
        """Return the text of the persona block."""
        lines = [f"My name is {self.name}."]
        lines += [f"I am: {self.description}"] if self.description else []
        lines += [f"I am {', '.join(self.traits)}."] if self.traits else []
        return "\n".join(lines)
