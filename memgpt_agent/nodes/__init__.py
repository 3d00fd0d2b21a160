"""The four nodes of the graph; each function, its file and its name in the graph are the same."""

from memgpt_agent.nodes.call_llm import acall_llm, call_llm
from memgpt_agent.nodes.compile_context import compile_context
from memgpt_agent.nodes.execute_tools import aexecute_tools, execute_tools
from memgpt_agent.nodes.session import Resources
from memgpt_agent.nodes.summarize_overflow import summarize_overflow

__all__ = ["Resources", "acall_llm", "aexecute_tools", "call_llm", "compile_context", "execute_tools", "summarize_overflow"]
