"""The marks between which models write tool calls as text, and what of a text speaks of calls without making any."""

import re

NAMESPACE = r"(?:[\w-]+:)?"
_TAGS = (
    r"(?:tool_?calls?|tools?_?code|tool_use|use_mcp_tool|tool|functions?|function_?calls?|invoke"
    r"|toolcall|start_function_call|longcat_tool_call)"
)
MARK = (
    rf"</?(?:[|｜]DSML[|｜]|\s*){NAMESPACE}{_TAGS}\b[^<>\n]{{0,200}}>|<[|｜][^|｜<>\n\"]{{1,40}}[|｜]?>|<[a-z_]{{1,30}}\|>|<end_function_call>"
    r"|\[/?[A-Z_]*(?:TOOL|CALL|ARGS|FUNC)[A-Z_]*\]"
    r"|\bfunctools\b|>>>"
)
"""Hermes, Qwen, GLM, MiniMax, Anthropic's older form; Llama, Kimi, gpt-oss, DeepSeek, Cohere, Phi; Gemma 4; Mistral; Functionary.

Source: the parsers in github.com/vllm-project/vllm (vllm/tool_parsers) and github.com/ggml-org/llama.cpp (common/chat.cpp).
"""
OPENING = re.compile(
    rf"<\s*{NAMESPACE}(?!/){_TAGS}\b(?!\s*/)(?<!<function)(?<!<functions)(?<!<tool)[^<>\n]{{0,200}}(?<!\|)>"
    rf"|<\s*{NAMESPACE}(?:function|tool)\s*[=\s][^<>\n]{{1,200}}>|<\|(?!/|end)[^|<>\n]{{0,20}}(?:tool|python_tag|python_start|ACTION|action_start|plugin)"
    r"(?:(?!end\b|suffix|response|result|output|_end|END)[^|<>\n]){0,30}\|?>|\[[A-Z_]*TOOL_?CALLS?\]|<\|channel\|>[^<>]{0,40}\bto=|\bto=functions\.\w",
    re.IGNORECASE,
)
"""Marks that begin a call."""
NOISE = re.compile(
    rf"{MARK}|```\w*|^[ \t>*]*(?:Action|Action Input|Tool|Function|Arguments)\W{{0,3}}:\W{{0,3}}|^[ \t]*print\(\w*\)[ \t]*$|<\?xml[^<>]*\?>",
    re.IGNORECASE | re.MULTILINE,
)
GAP = (
    rf"(?:\[CALL_ID\]\w+|{MARK}|[\s>:(=*`\"]|```\w*|\bAction Input|\b(?:with )?(?:the )?(?:arguments?|args|parameters?|params|input)\b"
    r"|\bwith\b|\bjson\b|\bcode\b|:\d+|#\d+)*"
)
"""What may stand between a name and its arguments."""
LEAD = re.compile(
    rf"(?:{MARK}|[\s>:(=\[,;*`]|```\w*|Thought:[^\n]*\n|Action Input:?|(?<!\w)\w+\s*=(?=\s*\Z)|<function="
    r"|\b(?:Action|Tool|Function|Call(?:ing)?|function|commentary|assistant|await|tools?\.|tool_call|functions\.|to=functions\.|to=|default_api\.|call:|print\())*\Z",
    re.IGNORECASE,
)
"""Text before a call that belongs to it."""
_INLINE = re.compile(r"(?<!`)`[^`\n]+`(?!`)")
_FENCED = re.compile(r"^[ \t]{0,8}```(?P<language>[\w+-]*)[^\n]*\n(?P<code>.*?)(?:```|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?m)^\s*(?:def|import|from|class|for|while|if|try|with|return|const|let|var|function|#include|<\?php)\b|^\s*\w+\s*=[^=]")
_DEFINES = re.compile(r"(?m)^\s*(?:def|import|from|class|const|function|#include)\b")
_SHOWN = re.compile(
    r"\b(?:examples?|for instance|you (?:can|could|would|might|may|should)|use this|try this|snippet|script|usage|like this|how to|sample"
    r"|(?:the|some|your) code)\b",
    re.IGNORECASE,
)
"""Words that introduce code shown to a person."""
_BEFORE_CHARS = 300


def masked(text: str, names: str) -> str:
    """Return a text of the same length in which what speaks of calls is blanked, and DeepSeek's wide signs are plain ones.

    Blanked are code in backticks within a line, and blocks of code for the user: those that do more than call tools, and those that
    words before them show to a person.

    Args:
        text: what a model said.
        names: a pattern of the tools' names.
    """
    plain = text.replace("｜", "|").replace("▁", "_")
    plain = re.sub(r"\|DSML\|", lambda m: " " * len(m[0]), plain)
    if not _INLINE.fullmatch(plain.strip()):
        plain = _INLINE.sub(lambda m: m[0] if re.fullmatch(rf"(?i)`(?:{names})`", m[0]) else " " * len(m[0]), plain)
    return _FENCED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if _is_for_user(plain, m, names) else m[0], plain)


def _is_for_user(text: str, block: re.Match[str], names: str) -> bool:
    if block["language"].lower() in {"tool_code", "tool_call", "tool"}:
        return False
    if _DEFINES.search(block["code"]):
        return True
    around = f"{text[: block.start()]} {text[block.end() :]}".strip(" \n\t.:")
    if not around:
        return False
    if _SHOWN.search(text[max(0, block.start() - _BEFORE_CHARS) : block.start()]):
        return True
    return bool(_CODE.search(re.sub(rf"(?mi)^\s*\w+\s*=\s*(?:await\s+)?(?:\w+\.)?(?:{names})\(", "call(", block["code"])))
