"""Refusals of a prompt or an answer that is too long: how providers word them, each pattern with its source, and the figures in them."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from memgpt_agent.models.failures import causes, kinds_of, status_of

_N = r"[\d,]*\d"
_W = rf"(?P<window>{_N})"
_S = rf"(?P<sent>{_N})"


class Wording(NamedTuple):
    """One provider's way of saying it."""

    provider: str
    """Who says it."""
    pattern: str
    """A regular expression; its groups ``window`` and ``sent`` are counts of tokens, where the wording names them."""
    source: str
    """Where it was seen."""


_MOST = r"'?max_(?:completion_)?tokens'?"
ANY = "any"
"""Who says what several servers share."""
_PI = "github.com/earendil-works/pi/issues/129 (overlong prompts sent to each provider)"
_OPENAI = "platform.openai.com/docs/guides/error-codes"

LENGTH_REFUSALS: tuple[Wording, ...] = (
    Wording(
        "OpenAI, DeepSeek, SGLang",
        rf"maximum context length is {_W} tokens.{{0,60}}?\({_S} (?:in|of) (?:the|your) (?:messages|prompt)",
        "github.com/vllm-project/vllm/issues/20409",
    ),
    Wording(
        "vLLM",
        rf"{_MOST} is too large: (?P<answer>{_N})\. this model's maximum context length is {_W} tokens and your request has {_S} input tokens",
        "github.com/claude-code-best/claude-code/issues/272",
    ),
    Wording(
        "OpenAI, DeepSeek, vLLM",
        rf"maximum context length is {_W} tokens.{{0,40}}?(?:messages resulted in|you requested) {_S} tokens",
        _OPENAI,
    ),
    Wording("OpenRouter", rf"maximum context length is {_W} tokens.{{0,20}}?you requested about {_S} tokens", _PI),
    Wording(
        "vLLM",
        rf"maximum context length is {_W} tokens and your request has {_S} input tokens",
        "github.com/vllm-project/vllm/pull/36197",
    ),
    Wording(
        "vLLM",
        rf"passed {_S} input tokens.{{0,80}}?context length is only {_W} tokens",
        "github.com/vllm-project/vllm/pull/36197",
    ),
    Wording(
        "vLLM",
        rf"decoder prompt \(length {_S}\).{{0,40}}?maximum model length of {_W}",
        "docs.vllm.ai/en/latest/configuration/conserving_memory.html",
    ),
    Wording("OpenAI", rf"configured limit of {_W} tokens.{{0,30}}?resulted in {_S} tokens", _OPENAI),
    Wording("OpenAI (Responses)", r"input exceeds the context window of this model", _PI),
    Wording(
        "OpenAI, Groq",
        rf"request too large.{{0,200}}?limit:? {_W},? requested:? {_S}",
        "console.groq.com/docs/rate-limits",
    ),
    Wording(
        "Anthropic",
        rf"prompt is too long: {_S} tokens > {_W} maximum",
        "docs.anthropic.com/en/docs/build-with-claude/context-windows",
    ),
    Wording(
        "Anthropic",
        rf"input length and `?max_tokens`? exceed context limit: {_S} \+ {_N} > {_W}",
        "github.com/stackblitz/bolt.new/issues/7414",
    ),
    Wording(
        "Anthropic",
        r"request_too_large|request exceeds the maximum (?:size|allowed number of bytes)",
        "docs.anthropic.com/en/api/errors",
    ),
    Wording("Gemini", rf"input token count \(?{_S}\)? exceeds the maximum number of tokens allowed \(?{_W}", _PI),
    Wording("Gemini", r"input token count exceeds the maximum", "ai.google.dev/gemini-api/docs/troubleshooting"),
    Wording("Gemini", r"request payload size exceeds the limit", "ai.google.dev/gemini-api/docs/troubleshooting"),
    Wording(
        "Vertex AI",
        rf"input token count is {_S} but (?:the )?model only supports up to {_W}",
        "cloud.google.com/vertex-ai/generative-ai/docs/learn/locations",
    ),
    Wording(
        "xAI",
        rf"maximum prompt length is {_W} but the request contains {_S} tokens",
        "github.com/cline/cline/issues/3120",
    ),
    Wording(
        "TGI, Together",
        rf"inputs`? tokens \+ `?max_new_tokens`? must be <= {_W}\. given: {_S}",
        "github.com/huggingface/text-generation-inference (router/src/validation.rs)",
    ),
    Wording(
        "TGI",
        rf"inputs`? must have less than {_W} tokens\. given: {_S}",
        "github.com/huggingface/text-generation-inference (router/src/validation.rs)",
    ),
    Wording("Moonshot", rf"exceeded model token limit: {_W} \(requested: {_S}\)", _PI),
    Wording(
        "Moonshot",
        rf"exceeded model token limit:? ?{_W}?|input token length too long",
        "platform.moonshot.ai/docs/api/chat",
    ),
    Wording(
        "DashScope", rf"range of input length should be \[\d+, ?{_W}\]", "github.com/anomalyco/opencode/pull/45834"
    ),
    Wording("Cerebras", rf"current length is {_S} while limit is {_W}", "inference-docs.cerebras.ai/support/error"),
    Wording("Groq", r"reduce the length of the messages or completion", _PI),
    Wording("Mistral", rf"prompt contains {_S} tokens.{{0,60}}?model with {_W} maximum context length", _PI),
    Wording("LM Studio", rf"keep the first {_S} tokens.{{0,60}}?context length of only {_W} tokens", _PI),
    Wording(
        "LM Studio", rf"reached context length of {_W} tokens", "github.com/lmstudio-ai/lmstudio-bug-tracker/issues"
    ),
    Wording(
        "LM Studio",
        r"tokens to keep from the initial prompt is greater than the context length",
        "github.com/lmstudio-ai/lmstudio-bug-tracker/issues",
    ),
    Wording(
        "llama.cpp",
        rf"request \({_S} tokens\) exceeds the available context size \({_W} tokens\)",
        "github.com/ggml-org/llama.cpp (tools/server)",
    ),
    Wording(
        "llama.cpp",
        rf"exceeds the available context size(?: \({_W} tokens\))?",
        "github.com/ggml-org/llama.cpp (tools/server)",
    ),
    Wording(
        "llama-cpp-python",
        rf"requested tokens \({_S}\) exceed context window of {_W}",
        "github.com/abetlen/llama-cpp-python (llama_cpp/llama.py)",
    ),
    Wording(
        "Ollama",
        r"prompt too long; exceeded (?:max )?context length|input length exceeds the (?:maximum )?context length",
        "github.com/ollama/ollama (llm, server)",
    ),
    Wording(
        "SGLang, Together",
        rf"input \({_S} tokens\) is longer than the model's context length \({_W} tokens\)",
        "github.com/openclaw/openclaw/issues/129352",
    ),
    Wording(
        "SGLang",
        rf"exceeds the model's maximum context length of {_W} tokens(?:.{{0,40}}?total of {_S} tokens)?",
        "github.com/openclaw/openclaw/issues/129352",
    ),
    Wording(
        "Fireworks",
        rf"prompt is too long: {_S}, model maximum context length: {_W}",
        "docs.fireworks.ai/guides/querying-text-models",
    ),
    Wording(
        "Poolside, GLM",
        rf"input length {_S} exceeds the maximum allowed input length of {_W}",
        "github.com/earendil-works/pi/issues/4943",
    ),
    Wording(
        "OpenAI-compatible",
        rf"input length \({_S}\) exceeds model's maximum context length \({_W}\)",
        "github.com/earendil-works/pi/issues/5677",
    ),
    Wording("GitHub Copilot", rf"prompt token count of {_S} exceeds the limit of {_W}", _PI),
    Wording("Amazon Bedrock", r"input is too long for requested model", _PI),
    Wording("MiniMax", r"context window exceeds limit", "platform.minimaxi.com/document/error-code"),
    Wording("vLLM", r"max_tokens must be at least 1, got -\d", "github.com/vllm-project/vllm/pull/36789"),
    Wording(
        "any, in Chinese",
        r"(?:上下文|输入|prompt|消息).{0,12}(?:过长|超长|超过|超出)|超[过出].{0,12}(?:上下文|最大长度|长度限制)|最大(?:上下文|输入)长度",
        "remembered by its writer, not looked up",
    ),
    Wording("Zhipu", r"prompt exceeds max length", "docs.bigmodel.cn (error 1261)"),
    Wording("LMI, vLLM", rf"input prompt \({_S} tokens\) is too long and exceeds limit of {_W}", "github.com/vllm-project/vllm/issues/7048"),
    # What several servers share, without both figures
    Wording(ANY, rf"maximum context length (?:is|of|\(|:) ?{_W}", _PI),
    Wording(ANY, rf"context (?:length|window|size|limit)[^\d]{{0,20}}{_W}", _PI),
    Wording(
        ANY,
        r"context[_ ](?:length|window|size|limit)[_ ]?(?:was |is |has been )?exceed"
        r"|exceeds? (?:the |this |its )?(?:model'?s? )?(?:maximum |max )?context|maximum context|exceed_context_size"
        r"|prompt is too long|input is too long|too many (?:input )?tokens|reduce the length",
        _PI,
    ),
)
"""The more telling first: the first that fits is taken."""

_A = rf"`?(?P<answer>{_N})`?"
_ROOM = r"(?:max_(?:new_|output_|completion_)?tokens|maxOutputTokens|max output tokens|num_predict)"

_REMEMBERED = "remembered by its writer, not looked up"
ANSWER_REFUSALS: tuple[Wording, ...] = (
    Wording("OpenAI", rf"supports at most {_A} (?:completion|output) tokens", "github.com/ChatGPTNextWeb/NextChat/issues/3195"),
    Wording("Anthropic", rf"max_tokens: {_N} > {_A}, which is the maximum allowed", _REMEMBERED),
    Wording("DeepSeek", rf"valid range of {_ROOM} is \[{_N}, ?{_A}\]", "github.com/deepseek-ai/DeepSeek-V3/issues/69"),
    Wording("DashScope", rf"range of {_ROOM} should be \[{_N}, ?{_A}\]", "github.com/open-webui/open-webui/issues/10507"),
    Wording("Groq", rf"{_ROOM}\b.{{0,80}}?must be less than or equal to {_A}", "github.com/RooCodeInc/Roo-Code/issues/5136"),
    Wording(
        "Gemini, Vertex AI", rf"{_ROOM} value of {_N} but the supported range is from {_N} \(inclusive\) to {_A}", _REMEMBERED
    ),
    Wording(
        ANY,
        rf"\A(?!.*(?:context|input|prompt|messages)).*{_ROOM}\b.{{0,100}}?"
        rf"(?:at most|<=|no more than|up to|cannot exceed|maximum(?: of| is|:)?) ?{_A}",
        _REMEMBERED,
    ),
)
"""How providers word it that the most tokens asked for an answer are too many: the window is not to blame."""

OVERFULL = (
    r"(?=.*\b(?:context|prompt|input|messages?|sequence|conversation|tokens?)\b)(?=.*\b(?:tokens?|context|length|window)\b)"
    r"(?=.*(?:too (?:long|large|big|many)|exceed|over(?:flow|run)|out ?of ?(?:range|context)|(?:greater|larger|longer|more|bigger) than"
    r"|beyond|(?:not|n't) fit|must be (?:less|at most|<|smaller|shorter)|(?:limited|up) to|at most|not enough (?:room|space)"
    r"|(?:maximum|max|limit)\b.{0,60}(?:reached|hit|is|of|:|=)|reduce|shorten|truncate))"
)
"""What a sentence says, in any order, that tells of a prompt beyond a model's window, whoever says it."""

NO_LENGTH = (
    r"string too long|array too long|maximum length \d{1,3}\b|(?:image|picture|file|audio|video|pdf|document|pixel|megabyte|\bMB\b|bytes)"
    r"|rate limit|per (?:minute|day|hour)|\b[TR]P[MD]\b|quota|tool_call_id|\bname\b|\bid\b"
)
"""What else is too long, too large or too many."""

TOKENS_PER_REQUEST = (
    r"n_ctx\W{1,5}(?P<window>\d+)", r"n_prompt_tokens\W{1,5}(?P<sent>\d+)",
)  # fmt: skip
"""Figures that llama.cpp's server gives beside its message."""


_LEAST_WINDOW = 512
"""No model's window is smaller: a smaller number in a refusal is not a window."""
_LEAST_ANSWER = 256
_NO_COUNTS = r"https?://\S+|\bcode[\"']?\s*[:=]\s*[\"']?\d+"
"""What has numbers that count no tokens, in the words of a client: an address with its port, an error's code."""


@dataclass(frozen=True)
class TooLong:
    """A provider's refusal of a prompt that does not fit its model's context window."""

    window: int | None
    """The true window in tokens, where the refusal names it."""
    sent: int | None
    """The tokens that the prompt had by the provider's count, where it names them."""
    answer: int | None = None
    """The most tokens that may be asked for an answer, where more were asked for: the prompt is not to blame."""


def too_long(error: BaseException) -> TooLong | None:
    """Return what a refusal says of the context window; ``None`` if the error is another one.

    A limit on tokens a minute counts only where this one request is beyond it: no wait would help.

    **Limits**: providers word it freely; those known stand in :data:`LENGTH_REFUSALS`, any other sentence is judged by its words.
    """
    for cause in causes(error):
        text, limited = str(cause), status_of(cause) == 429
        if limited and "request too large" not in text.lower():
            continue
        if not limited and (most := _answer_limit(text)):
            return TooLong(None, None, most)
        for wording in LENGTH_REFUSALS:
            if found := re.search(wording.pattern, text, re.IGNORECASE | re.DOTALL):
                groups = found.groupdict()
                if wording.provider == ANY and not groups.get("window"):
                    return _figures(text)
                window, sent = (_count(groups.get(name)) or _beside(text, name) for name in ("window", "sent"))
                return TooLong(window, sent, _room(window, sent) if "answer" in groups else None)
        if not limited and ("context_length_exceeded" in kinds_of(cause) or status_of(cause) == 413):
            return TooLong(None, None)
        if status_of(cause) in {400, 422, 500} and _is_overfull(text):
            return _figures(text)
    return None


def _answer_limit(text: str) -> int | None:
    for wording in ANSWER_REFUSALS:
        if found := re.search(wording.pattern, text, re.IGNORECASE | re.DOTALL):
            return _count(found["answer"])
    return None


def _is_overfull(text: str) -> bool:
    """Whether a refusal in words that nobody wrote down tells of a prompt beyond the window."""
    flat = re.sub(r"https?://\S+|\s+", " ", text)
    return bool(re.search(OVERFULL, flat, re.IGNORECASE)) and not re.search(NO_LENGTH, flat, re.IGNORECASE)


def _figures(text: str) -> TooLong:
    """Return the two counts of tokens that a sentence names: the window is the smaller one; one alone is the window's where it is a limit."""
    if re.search(r"\bbytes\b", text, re.IGNORECASE):
        return TooLong(None, None)
    if window := _beside(text, "window"):
        return TooLong(window, _beside(text, "sent"))
    text = re.sub(_NO_COUNTS, " ", text)
    counts = [int(number.replace(",", "")) for number in re.findall(r"(?<![\w.-])\d[\d,]*\d(?![\w-]|\.\d)", text)]
    known = sorted({count for count in counts if count >= _LEAST_WINDOW})
    if len(known) == 2:
        return TooLong(known[0], known[1])
    limit = re.search(r"(?:limit|max|window|only|up to|at most|less than|smaller than|<=?|supports)\D{0,40}(\d[\d,]*\d)", text, re.IGNORECASE)
    return TooLong(known[0] if len(known) == 1 and limit and _count(limit[1]) == known[0] else None, None)


def _count(number: str | None) -> int | None:
    return int((number or "").replace(",", "") or 0) or None


def _beside(text: str, group: str) -> int | None:
    for pattern in TOKENS_PER_REQUEST:
        if f"<{group}>" in pattern and (found := re.search(pattern, text)):
            return _count(found.group(group))
    return None


def _room(window: int | None, sent: int | None) -> int | None:
    """Return the most tokens of an answer that leave the prompt its place: a quarter of the window, less where the prompt has more."""
    return min(window - sent, max(_LEAST_ANSWER, window // 4)) if window and sent and window - sent >= _LEAST_ANSWER else None
