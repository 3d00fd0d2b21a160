"""DeepSeek: in its thinking mode each call carries the reasoning that led to it, in all later requests, and be it empty.

Without calls it is left out: the older ``deepseek-reasoner`` refuses it there, the newer models ignore it.

Source: api-docs.deepseek.com/guides/thinking_mode ("Tool Calls"); api-docs.deepseek.com/guides/reasoning_model.
"""

import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from memgpt_agent.models.dialects.compatible import REASONING, Compatible
from memgpt_agent.models.dialects.dialect import Reasons, name_of
from memgpt_agent.models.dialects.sequence import kwargs_of

_THINKS = re.compile(r"reasoner|-r\d|-v[4-9]|deepseek-(?:flash|pro)", re.IGNORECASE)


class DeepSeek(Compatible):
    """The strictest common form, with ``reasoning_content`` beside every call; the models take no pictures."""

    def reasons(self, model: BaseChatModel) -> Reasons:
        """The reasoner always thinks, the models since V4 unless it is switched off; ``deepseek-chat`` where it is switched on."""
        fields = cast(dict[str, Any], model.__dict__)
        body = cast(dict[str, Any], fields.get("extra_body") or {})
        switch = str(cast(dict[str, Any], body.get("thinking") or {}).get("type") or "")
        if switch:
            return "on" if switch == "enabled" else "never"
        return "always" if _THINKS.search(name_of(model)) else "never"

    def blind(self, model: BaseChatModel) -> bool:
        """DeepSeek's chat models take texts only."""
        return True

    def thoughts(self, message: AIMessage, *, thinks: bool) -> dict[str, Any]:
        """Return the reasoning of an answer that makes calls, empty where another model made them."""
        kwargs = kwargs_of(message)
        return {REASONING: str(kwargs.get(REASONING) or "")} if message.tool_calls and thinks else {}
