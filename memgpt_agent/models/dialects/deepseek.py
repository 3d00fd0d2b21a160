"""DeepSeek: in its thinking mode each call carries the reasoning that led to it, in all later requests, and be it empty.

Without calls it is left out: the older ``deepseek-reasoner`` refuses it there, the newer models ignore it.

Source: api-docs.deepseek.com/guides/thinking_mode ("Tool Calls"); api-docs.deepseek.com/guides/reasoning_model.
"""

import re
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from memgpt_agent.models.dialects.compatible import REASONING, Compatible
from memgpt_agent.models.dialects.dialect import CallToSend, Reasons, Wanted, name_of

_THINKS = re.compile(r"reasoner|-r\d|-v[4-9]|deepseek-(?:flash|pro)", re.IGNORECASE)


class DeepSeek(Compatible):
    """The strictest common form, with ``reasoning_content`` beside every call; the models take no pictures."""

    origins = ("deepseek",)

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

    def put(self, call: CallToSend, wanted: Wanted) -> CallToSend:
        """Return the call; in thinking mode an answer that makes calls has its reasoning, empty where another model made it."""
        put = super().put(call, wanted)
        if self.reasons(call.model) in {"always", "on"}:
            for message in put.options["extra_body"]["messages"]:
                if message.get("tool_calls"):
                    message.setdefault(REASONING, "")
        return put
