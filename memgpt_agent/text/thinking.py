"""What a model thought and what it says, where its server left both in one text, between a template's own marks."""

import re

_TAG = r"(?:[\w-]+:)?(?i:think|thinking|thought|reasoning)"
_PARTS = re.compile(
    rf"(?<!`)<(?P<tag>{_TAG})>(?P<a>.*?)(?:</(?P=tag)>|\Z)"
    r"|\[THINK\](?P<b>.*?)(?:\[/THINK\]|\Z)|◁think▷(?P<c>.*?)(?:◁/think▷|\Z)|<unused94>(?:thought)?(?P<d>.*?)(?:<unused95>|\Z)"
    r"|<\|START_THINKING\|>(?P<e>.*?)(?:<\|END_THINKING\|>|\Z)|<\|begin_of_thought\|>(?P<f>.*?)(?:<\|end_of_thought\|>|\Z)"
    r"|<\|channel>thought(?P<g>.*?)(?:<channel\|>|\Z)"
    r"|(?:<\|start\|>\w*)?<\|channel\|>analysis(?:(?!<\|message\|>).){0,80}<\|message\|>(?P<h>.*?)(?:<\|(?:end|return)\|>|(?=<\|(?:start|channel)\|>)|\Z)"
    r"|\Aanalysis(?=[A-Z\s])(?P<i>.*?)(?:assistant(?=final|commentary)|\Z)",
    re.DOTALL,
)
"""Qwen, DeepSeek and others; Mistral; Kimi-VL; MedGemma; Cohere; OpenThinker; Gemma 4; gpt-oss, with its marks and without.

Source: the models' chat templates on huggingface.co; cookbook.openai.com/articles/openai-harmony.
"""
_STRAY = re.compile(rf"\A(?P<thought>.*?)(?:</{_TAG}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>)(?!`)", re.DOTALL)
"""A template began the thought itself, so that only its end stands in the answer."""
_SAYS = re.compile(
    r"(?:<\|start\|>\s*(?:assistant)?\s*)?<\|channel\|>\s*(?:final|commentary)(?:(?!to=|<\|message\|>).){0,40}<\|message\|>"
    r"|\A(?:assistant)?final(?=[A-Z])|<\|(?:START|END)_RESPONSE\|>|\A<\|im_start\|>\s*assistant\s*|<\|(?:begin|end)_of_solution\|>"
)
"""Marks around what is said."""
_END = re.compile(
    r"\s{0,9}(?:<\|(?:end|return|im_end|eot_id|eom_id|endoftext|end_of_text|END_OF_TURN_TOKEN)\|>|</s>|<end_of_turn>|<turn\|>|<｜end▁of▁sentence｜>)\s{0,9}\Z"
)
_ANSWERED = re.compile(
    r"\A\s{0,9}(?:Thought:(?:(?!^[ \t]*Action:).)*)?^[ \t*]{0,4}Final Answer\*{0,2}:[ \t*]{0,4}", re.DOTALL | re.MULTILINE
)
"""ReAct's way to say something."""
_MOST_ENDS = 4


def thought_and_said(text: str) -> tuple[list[str], str]:
    """Return the thoughts that stand between marks in an answer's text, also those that never end, and what is said beside them."""
    thoughts: list[str] = []

    def taken(match: re.Match[str]) -> str:
        thoughts.append(next((part for key, part in match.groupdict().items() if key != "tag" and part), "").strip())
        return ""

    said = _PARTS.sub(taken, text)
    if stray := _STRAY.match(said):
        thoughts.append(stray["thought"].strip())
        said = said[stray.end() :]
    said = _SAYS.sub("", said)
    for _ in range(_MOST_ENDS):
        said = _END.sub("", said)
    if "Final Answer" in said:
        said = _ANSWERED.sub("", said)
    return [thought for thought in thoughts if thought], said
