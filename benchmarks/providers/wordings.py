"""How providers tell that a prompt is too long: one sentence for each known wording, written out from the pages that it was seen on."""

from typing import NamedTuple


class Sentence(NamedTuple):
    """One provider's sentence."""

    provider: str
    """Who says it."""
    status: int
    """With which HTTP status."""
    text: str
    """What it says; ``{window}`` and ``{sent}`` stand for counts of tokens."""


SENTENCES: tuple[Sentence, ...] = (
    Sentence("OpenAI", 400, "This model's maximum context length is {window} tokens. However, your messages resulted in {sent} tokens."),
    Sentence("DeepSeek", 400, "This model's maximum context length is {window} tokens. However, you requested {sent} tokens (in all)."),
    Sentence("OpenRouter", 400, "This endpoint's maximum context length is {window} tokens. However, you requested about {sent} tokens."),
    Sentence("vLLM", 400, "This model's maximum context length is {window} tokens and your request has {sent} input tokens."),
    Sentence("vLLM", 400, "You passed {sent} input tokens and requested 9 output tokens. However, the model's context length is only {window} tokens."),
    Sentence("vLLM", 400, "The decoder prompt (length {sent}) is longer than the maximum model length of {window}."),
    Sentence("OpenAI", 400, "Your input exceeds the configured limit of {window} tokens. Your messages resulted in {sent} tokens."),
    Sentence("OpenAI Responses", 400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
    Sentence("OpenAI TPM, Groq", 429, "Request too large for model `m` on tokens per minute (TPM): Limit {window}, Requested {sent}, reduce your message."),
    Sentence("Anthropic", 400, "prompt is too long: {sent} tokens > {window} maximum"),
    Sentence("Anthropic", 400, "input length and `max_tokens` exceed context limit: {sent} + 4096 > {window}, decrease input length"),
    Sentence("Anthropic", 413, "Request exceeds the maximum size"),
    Sentence("Gemini", 400, "The input token count ({sent}) exceeds the maximum number of tokens allowed ({window})."),
    Sentence("Gemini", 400, "The input token count exceeds the maximum number of tokens allowed."),
    Sentence("Gemini", 400, "Request payload size exceeds the limit: 20971520 bytes."),
    Sentence("Vertex AI", 400, "The input token count is {sent} but model only supports up to {window}."),
    Sentence("xAI", 400, "This model's maximum prompt length is {window} but the request contains {sent} tokens."),
    Sentence("TGI, Together", 422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {window}. Given: {sent} `inputs` tokens"),
    Sentence("TGI", 422, "Input validation error: `inputs` must have less than {window} tokens. Given: {sent}"),
    Sentence("Moonshot", 400, "Invalid request: Your request exceeded model token limit: {window} (requested: {sent})"),
    Sentence("Moonshot", 400, "Input token length too long"),
    Sentence("DashScope", 400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, {window}]"),
    Sentence("Groq", 400, "Please reduce the length of the messages or completion."),
    Sentence("Cerebras", 400, "Please reduce the length of the messages or completion. Current length is {sent} while limit is {window}"),
    Sentence("Mistral", 400, "Prompt contains {sent} tokens and 0 draft tokens, too large for model with {window} maximum context length"),
    Sentence("LM Studio", 400, "Trying to keep the first {sent} tokens when context the overflows. However, the model has a context length of only {window} tokens."),
    Sentence("LM Studio", 400, "Reached context length of {window} tokens with this model."),
    Sentence("LM Studio", 400, "The number of tokens to keep from the initial prompt is greater than the context length."),
    Sentence("llama.cpp", 400, "the request ({sent} tokens) exceeds the available context size ({window} tokens), try increasing it"),
    Sentence("llama.cpp", 400, "the request exceeds the available context size. try increasing the context size or enable context shift"),
    Sentence("llama-cpp-python", 400, "Requested tokens ({sent}) exceed context window of {window}"),
    Sentence("Ollama", 400, "prompt too long; exceeded max context length by 12 tokens"),
    Sentence("SGLang, Together", 400, "The input ({sent} tokens) is longer than the model's context length ({window} tokens)."),
    Sentence("SGLang", 400, "Requested token count exceeds the model's maximum context length of {window} tokens. You requested a total of {sent} tokens."),
    Sentence("Fireworks", 400, "The prompt is too long: {sent}, model maximum context length: {window}"),
    Sentence("Poolside, GLM", 400, "Input length {sent} exceeds the maximum allowed input length of {window} tokens."),
    Sentence("OpenAI-compatible", 400, "Input length ({sent}) exceeds model's maximum context length ({window})."),
    Sentence("GitHub Copilot", 400, "prompt token count of {sent} exceeds the limit of {window}"),
    Sentence("Amazon Bedrock", 400, "Input is too long for requested model."),
    Sentence("MiniMax", 400, "invalid params, context window exceeds limit (2013)"),
    Sentence("vLLM", 400, "max_tokens must be at least 1, got -7584. (parameter=max_tokens, value=-7584)"),
    Sentence("any, in Chinese", 400, "输入内容过长，超过了模型的最大上下文长度"),
    Sentence("Zhipu", 400, "Prompt exceeds max length"),
    Sentence(
        "OpenAI, SGLang", 400,
        "This model's maximum context length is {window} tokens. However, you requested 9999 tokens "
        "({sent} in the messages, 512 in the completion).",
    ),
    Sentence(
        "vLLM", 400,
        "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is {window} tokens and your request has "
        "{sent} input tokens (4096 > {window} - {sent}).",
    ),
    Sentence("LMI", 424, "Input prompt ({sent} tokens) is too long and exceeds limit of {window}"),
    Sentence("any, with its window", 400, "The maximum context length is {window}."),
    Sentence("any, with its limit", 400, "Over the context limit: {window} are allowed."),
    Sentence("any", 400, "context_length_exceeded"),
)
