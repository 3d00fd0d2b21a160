"""GuidedLlama: the embedded small model led through a MemGPT turn in constrained steps."""

from memgpt_agent.models.llama import ChatLlama


class GuidedLlama(ChatLlama):
    """For now the plain model."""
