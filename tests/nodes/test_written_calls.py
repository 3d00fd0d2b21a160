"""Calls that a model wrote as text: the forms that models use are read, what cannot be read is told apart, prose stays prose."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.nodes.written_calls import written_calls
from memgpt_agent.prompts import NO_ANSWER_REPLY, UNREADABLE_CALL
from memgpt_agent.testing import ScriptedModel, say
from memgpt_agent.tools.profiles import MEMGPT
from memgpt_agent.tools.registry import ToolRegistry

TOOLS = ToolRegistry(MEMGPT.tools, []).schemas(thinking=True, only=None)

FORMS = {
    "the name as the type": '{"type": "send_message", "arguments": "{\\"message\\": \\"Hi\\"}"}',
    "tagged JSON": '<tool_call>\n{"name": "send_message", "arguments": {"message": "Hi"}}\n</tool_call>',
    "a tag that is not closed": '<tool_call>{"name": "send_message", "arguments": {"message": "Hi"}}',
    "a list in a tag": '<tool_call>\n[{"name": "send_message", "arguments": {"message": "Hi"}}]\n</tool_call>',
    "Mistral's list": '[TOOL_CALLS] [{"name": "send_message", "arguments": {"message": "Hi"}}]',
    "Mistral's name and arguments": '[TOOL_CALLS]send_message[ARGS]{"message": "Hi"}',
    "Llama's function tag": '<function=send_message>{"message": "Hi"}</function>',
    "XML parameters": "<function=send_message>\n<parameter=message>\nHi\n</parameter>\n</function>",
    "XML parameters of a type": "<tool_call>\n<function=send_message>\n<parameter=message>\nHi\n</parameter>\n<parameter=request_heartbeat>\n"
    "False\n</parameter>\n</function>\n</tool_call>",
    "Llama's python tag": '<|python_tag|>{"name": "send_message", "parameters": {"message": "Hi"}}',
    "a call behind the python tag": '<|python_tag|>send_message.call(message="Hi")',
    "a JSON list": '[{"name": "send_message", "arguments": {"message": "Hi"}}]',
    "OpenAI's own": '{"id": "c", "type": "function", "function": {"name": "send_message", "arguments": "{\\"message\\": \\"Hi\\"}"}}',
    "OpenAI's whole answer": '{"tool_calls": [{"function": {"name": "send_message", "arguments": "{\\"message\\": \\"Hi\\"}"}}]}',
    "arguments as a string": '{"name": "send_message", "arguments": "{\\"message\\": \\"Hi\\"}"}',
    "a function key": '{"function": "send_message", "arguments": {"message": "Hi"}}',
    "a tool key": '{"tool": "send_message", "args": {"message": "Hi"}}',
    "an action": '{"action": "send_message", "action_input": {"message": "Hi"}}',
    "ReAct's lines": 'Action: send_message\nAction Input: {"message": "Hi"}',
    "the name as key": '{"send_message": {"message": "Hi"}}',
    "arguments beside the name": '{"name": "send_message", "message": "Hi"}',
    "the arguments alone": '{"message": "Hi"}',
    "with control arguments": '{"thinking": "hm", "message": "Hi", "request_heartbeat": false}',
    "a Python call": 'send_message(message="Hi")',
    "by place": 'send_message("Hi")',
    "a Python list": '[send_message(message="Hi")]',
    "a Python literal": "{'name': 'send_message', 'arguments': {'message': 'Hi'}}",
    "fenced JSON": '```json\n{"name": "send_message", "arguments": {"message": "Hi"}}\n```',
    "fenced Python": '```python\nsend_message(message="Hi")\n```',
    "Gemini's tool code": '```tool_code\nprint(default_api.send_message(message="Hi"))\n```',
    "the name before its arguments": 'send_message: {"message": "Hi"}',
    "DeepSeek's marks": '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>send_message\n```json\n{"message": "Hi"}\n```'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "Kimi's marks": "<|tool_calls_section_begin|><|tool_call_begin|>functions.send_message:0<|tool_call_argument_begin|>"
    '{"message": "Hi"}<|tool_call_end|><|tool_calls_section_end|>',
    "gpt-oss's channels": '<|channel|>commentary to=functions.send_message <|constrain|>json<|message|>{"message": "Hi"}<|call|>',
    "GLM's keys and values": "<tool_call>send_message\n<arg_key>message</arg_key>\n<arg_value>Hi</arg_value>\n</tool_call>",
    "an invocation": '<function_calls>\n<invoke name="send_message">\n<parameter name="message">Hi</parameter>\n</invoke>\n</function_calls>',
}  # fmt: skip

PROSE = [
    "I can use send_message to speak.",
    'To speak I call send_message(message="...") and then wait.',
    'Call `send_message(message="x")` to do that.',
    'Here is your JSON:\n```json\n{"name": "Ann", "age": 3}\n```',
    '{"name": "Ann", "arguments": {"x": 1}}',
    '{"city": "Oslo", "temperature": 3}',
    '[{"name": "Ann"}, {"name": "Bob"}]',
    'Here is code:\n```python\nimport mail\n\ndef greet():\n    pass\n\nsend_message(message="Hi")\n```',
    'Use this:\n```python\nresult = send_message(message="Hi")\nprint(result)\n```',
    'The function send_message takes {"message": "text"} as its argument.',
    'I wrote {"message": "Hi"} into the file.',
    "A list: [1, 2, 3], a set {a, b}, a box [TODO] and a < b",
    "- send_message: speaks to you\n- core_memory_append: edits memory",
    "send_message is how I speak; core_memory_append(label, content) is how I remember.",
    'The tool is called "send_message": it speaks.',
]

UNREADABLE = [
    '<tool_call>{"name": "send_message", "arguments": {"message": "Hi</tool_call>',
    '{"name": "send_message", "arguments": {"message": "Hi"',
    '{"name": "send_message", "arguments": "not JSON"}',
    "send_message(message=Hi there)",
    'send_message(message="Hi',
    'send_message{"message": "Hi',
    "[TOOL_CALLS]send_message",
    "<function=send_message>",
    '```json\n{"name": "send_message", "arguments": {message: Hi}}\n```',
    '{"query": "a search that several tools could make"}',
]


@pytest.mark.parametrize("form", FORMS)
def test_a_call_is_read_in_the_form_that_the_model_wrote(form: str) -> None:
    """Nothing of its wrapping is left as text."""
    found = written_calls(FORMS[form], TOOLS)
    assert [(call.name, call.arguments["message"], call.error) for call in found.calls] == [("send_message", "Hi", "")]
    assert found.text == ""


@pytest.mark.parametrize("form", [form for form in FORMS if form not in {"the arguments alone", "with control arguments"}])
def test_prose_around_a_call_is_kept_beside_it(form: str) -> None:
    """It is an inner thought; arguments without a name are a call only where nothing else is said."""
    found = written_calls(f"Let me greet her.\n{FORMS[form]}\nThat is done.", TOOLS)
    assert [call.arguments["message"] for call in found.calls] == ["Hi"]
    assert found.text.startswith("Let me greet her.")
    assert "That is done." in found.text
    assert "send_message" not in found.text


def test_several_calls_are_read_in_their_order() -> None:
    """Two tags in a row, and a list of two."""
    first = '{"name": "core_memory_append", "arguments": {"label": "human", "content": "x"}}'
    second = '{"name": "send_message", "arguments": {"message": "Hi"}}'
    for text in (f"<tool_call>{first}</tool_call>\n<tool_call>{second}</tool_call>", f"[{first}, {second}]", f"{first}\n{second}"):
        assert [call.name for call in written_calls(text, TOOLS).calls] == ["core_memory_append", "send_message"]


@pytest.mark.parametrize("text", PROSE)
def test_what_is_meant_for_the_user_stays_a_reply(text: str) -> None:
    """Prose that mentions a tool, code, and JSON that names none."""
    found = written_calls(text, TOOLS)
    assert (found.calls, found.unreadable, found.text) == ([], False, text)


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_call_that_cannot_be_read_is_told_apart(text: str) -> None:
    """It names a tool in call syntax, and is no reply."""
    found = written_calls(text, TOOLS)
    assert (found.calls, found.unreadable) == ([], True)


def test_a_call_of_a_tool_that_there_is_not_is_one_where_a_mark_says_so() -> None:
    """The model gets an error that it can act on."""
    text = '<tool_call>{"name": "fly", "arguments": {"to": "Oslo"}}</tool_call>'
    assert [call.name for call in written_calls(text, TOOLS).calls] == ["fly"]


def agent(*script: Any) -> tuple[Any, ScriptedModel]:
    """Return a graph and its model."""
    model = ScriptedModel(script)
    return create_graph(model=model, store=InMemoryStore(), checkpointer=InMemorySaver()), model


def ask(graph: Any, text: str = "Hello") -> list[Any]:
    """Say something as the user; return the queue."""
    thread = {"configurable": {"thread_id": "ann"}}
    return graph.invoke({"messages": [("user", text)]}, thread, context={"context_window_tokens": 8_192})["messages"]


def test_an_unreadable_call_is_sent_back_and_never_kept() -> None:
    """The model is told how to write one, a few times; then the user gets an apology, and nothing of it stands in the queue."""
    graph, model = agent(*["send_message(message=Hi there)"] * 3)
    queue = ask(graph)
    assert queue[-1].text == NO_ANSWER_REPLY
    assert len(model.calls) == 3
    assert UNREADABLE_CALL.splitlines()[0][:40] in str(model.calls[1][-1].content)
    assert not any("Hi there" in m.text for m in queue)


def test_a_written_call_stands_in_the_history_as_a_call() -> None:
    """The model sees that it called, not that it wrote."""
    graph, model = agent('```json\n{"name": "send_message", "parameters": {"message": "Hi"}}\n```', say("Again"))
    assert ask(graph)[-1].text == "Hi"
    assert ask(graph, "More")[-1].text == "Again"
    answers = [m for m in model.calls[1] if isinstance(m, AIMessage)]
    assert [(m.text, m.tool_calls[0]["name"]) for m in answers] == [("", "send_message")]
