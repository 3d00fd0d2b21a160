"""Calls that a model wrote as text: the forms that models use are read, what cannot be read is told apart, prose stays prose."""

import json
import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from memgpt_agent.graph.builder import create_graph
from memgpt_agent.nodes.answers import thought_and_said
from memgpt_agent.nodes.written_calls import Written, written_calls
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
    "an invocation": '<function_calls>\n<invoke name="send_message">\n<parameter name="message">Hi</parameter>\n</invoke>\n</f'
    'unction_calls>',
    "DeepSeek's DSML": '<｜DSML｜function_calls>\n<｜DSML｜invoke name="send_message">\n<｜DSML｜parameter name="message" string="tr'
    'ue">Hi</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
    "DeepSeek's marks without a fence":
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>send_message<｜tool▁sep｜>{"message": "Hi"}<｜tool▁call▁end｜>'
    '<｜t'
    'ool▁calls▁end｜>',
    "ReAct with a plain input": "Thought: I should greet.\nAction: send_message\nAction Input: Hi",
    "ReAct with a result made up": 'Thought: I should look.\nAction: send_message\nAction Input: {"message": "Hi"}\nObservation: sent\nThoug'
    'ht: done\nFinal Answer: bye',
    "ReAct in bold": '**Action:** send_message\n**Action Input:** {"message": "Hi"}',
    "XML named by the tool": "<send_message>\n<message>\nHi\n</message>\n</send_message>",
    "JSON in the tool's tag": '<send_message>{"message": "Hi"}</send_message>',
    "a text in the tool's tag": "<send_message>Hi</send_message>",
    "attributes of the tool's tag": '<send_message message="Hi" />',
    "JavaScript's keys and quotes": "{name: 'send_message', arguments: {message: 'Hi'}}",
    "a JavaScript call": "send_message({message: 'Hi'})",
    "fenced JavaScript": "```javascript\nsend_message({message: 'Hi'});\n```",
    "assigned tool code": '```tool_code\nresult = send_message(message="Hi")\nprint(result)\n```',
    "a Python assignment": 'result = send_message(message="Hi")',
    "a fenced assignment": '```python\nresult = send_message(message="Hi")\nprint(result)\n```',
    "an awaited call": 'await send_message(message="Hi")',
    "a capitalised name": '{"name": "SendMessage", "arguments": {"message": "Hi"}}',
    "a hyphenated name": '<tool_call>{"name": "send-message", "arguments": {"message": "Hi"}}</tool_call>',
    "capitals in a Python call": 'Send_Message(message="Hi")',
    "a shouted name": 'SEND_MESSAGE: {"message": "Hi"}',
    "gpt-oss's analysis and commentary": '<|channel|>analysis<|message|>We greet.<|end|><|start|>assistant<|channel|>commentary to=functions.s'
    'end_message <|constrain|>json<|message|>{"message":"Hi"}<|call|>',
    "gpt-oss's recipient in the role": '<|start|>assistant to=functions.send_message<|channel|>commentary json<|message|>{"message":"Hi"}<|c'
    'all|>',
    "gpt-oss's channels without marks": 'analysisWe need to greet.assistantcommentary to=functions.send_message json{"message": "Hi"}',
    "a thought whose beginning is missing": 'I should greet.\n</think>\n\n<tool_call>{"name": "send_message", '
    '"arguments": {"message": "Hi"}}</tool_'
    'call>',
    "GLM on one line": "<tool_call>send_message<arg_key>message</arg_key><arg_value>Hi</arg_value></tool_call>",
    "MiniMax": '<minimax:tool_call>\n<invoke name="send_message">\n<parameter name="message">Hi</parameter>\n</invoke>\n'
    '</minimax:tool_call>',
    "Qwen-coder without its opening": "<function=send_message>\n<parameter=message>\nHi\n</parameter>\n</function>\n</tool_call>",
    "Seed": "<seed:tool_call>\n<function=send_message>\n<parameter=message>Hi</parameter>\n</function>\n</seed:tool_call>",
    "Command-A": '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "send_message", "parameters": {"message": "Hi"}}]<|END_ACTION|>',
    "Command-R": 'Action: ```json\n[{"tool_name": "send_message", "parameters": {"message": "Hi"}}]\n```',
    "Phi's functools": 'functools[{"name": "send_message", "arguments": {"message": "Hi"}}]',
    "InternLM": '<|action_start|><|plugin|>{"name": "send_message", "parameters": {"message": "Hi"}}<|action_end|>',
    "Olmo": '<function_calls>send_message(message="Hi")</function_calls>',
    "Llama 4": '<|python_start|>[send_message(message="Hi")]<|python_end|>',
    "Nemotron": '<TOOLCALL>[{"name": "send_message", "arguments": {"message": "Hi"}}]</TOOLCALL>',
    "Grok": '<xai:function_call name="send_message"><parameter name="message">Hi</parameter></xai:function_call>',
    "Step 3": '<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="send_message"><step'
    'tml:parameter name="message">Hi</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_en'
    'd｜>',
    "Functionary": '>>>send_message\n{"message": "Hi"}',
    "FunctionGemma": "<start_function_call>call:send_message{message:<escape>Hi<escape>}<end_function_call>",
    "Gemma 4": '<|tool_call>call:send_message{message:<|"|>Hi<|"|>}<tool_call|>',
    "Mistral with an id": '[TOOL_CALLS]send_message[CALL_ID]abc123def[ARGS]{"message": "Hi"}',
    "Cline's MCP": '<use_mcp_tool><server_name>x</server_name><tool_name>send_message</tool_name><arguments>{"message": '
    '"Hi"}</arguments></use_mcp_tool>',
    "the name in an element": "<tool_call><name>send_message</name><arguments><message>Hi</message></arguments></tool_call>",
    "a command among thoughts": '{"thoughts": {"text": "x"}, "command": {"name": "send_message", "args": {"message": "Hi"}}}',
    "an action with a plain input": '{"action": "send_message", "action_input": "Hi"}',
    "a comma too many": '{"name": "send_message", "arguments": {"message": "Hi",},}',
    "JSON's words in Python": 'send_message(message="Hi", request_heartbeat=false)',
    "words for the brackets": 'Calling send_message with arguments {"message": "Hi"}',
    "bold labels": '**Function:** `send_message`\n**Arguments:** {"message": "Hi"}',
    "the name in an invocation": "<function_calls><invoke><tool_name>send_message</tool_name><parameters><message>Hi</message></parame"
    "ters></invoke></function_calls>",
    "a recipient": '{"recipient_name": "functions.send_message", "parameters": {"message": "Hi"}}',
    "signs of web pages": '&lt;tool_call&gt;{"name": "send_message", "arguments": {"message": "Hi"}}&lt;/tool_call&gt;',
    "JSON in a JSON string": '"{\\"name\\": \\"send_message\\", \\"arguments\\": {\\"message\\": \\"Hi\\"}}"',
    "curly quotes": "{“name”: “send_message”, “arguments”: {“message”: “Hi”}}",
    "a constructor": "ToolCall(name='send_message', args={'message': 'Hi'})",
    "capitals in keys": '{"Name": "send_message", "Arguments": {"message": "Hi"}}',
    "Gemini's own": '{"functionCall": {"name": "send_message", "args": {"message": "Hi"}}}',
    "a list of names and values": '{"name": "send_message", "arguments": [{"name": "message", "value": "Hi"}]}',
    "a slash command": '/send_message {"message": "Hi"}',
    "an object in an attribute": '<function name="send_message" arguments=\'{"message": "Hi"}\'></function>',
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
    "These are my tools:\n- send_message(message): speaks to you\n- core_memory_append(label, content): edits memory",
    "core_memory_append(label, content) adds to a block.\nsend_message(message) speaks to you.",
    'Here is an example of how to call it:\n```python\nsend_message(message="Hi")\n```',
    'You could call send_message(message="hello") to greet somebody, but I just did.',
    'Sure, a component:\n```jsx\nconst x = () => { return <div name="a">hi</div> }\n```',
    "1. Open the door: quickly\n2. Action: close it\n3. Tool: a hammer",
    "Send Message: a poem {by Ann}",
    "A function is declared by <function> in XML? No: by def.",
    "SELECT * FROM tools WHERE name = 'send_message'",
    "The tag `<tool_call>` marks a call in Qwen's template.",
    "Analysis shows that the assistant finally won.",
    "I think </3 is a broken heart.",
]

UNREADABLE = [
    "tool: send_message\nmessage: Hi",
    "<tool>send_message</tool><tool_input>Hi</tool_input>",
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
    "<send_message><message>Hi",
    "[send_message(message=Hi), core_memory_append(",
    "{name: send_message, arguments: {message: Hi there}}",
    '<|channel|>commentary to=functions.send_message <|constrain|>json<|message|>{"message":"Hi',
    "Action: send_message\nAction Input:",
    '<｜DSML｜function_calls>\n<｜DSML｜invoke name="send_message">\n<｜DSML｜parameter name="message"',
    "result = send_message(message=msg)",
    "SendMessage(message=Hi there)",
    "```tool_code\nsend_message(message=text)\n```",
    '{"name": "send_message", "arguments": {"message": "He said "hi" to me"}}',
]


ALONE = {
    "the arguments alone", "with control arguments", "ReAct with a plain input", "ReAct with a result made up",
    "gpt-oss's channels without marks", "a thought whose beginning is missing",
    "a command among thoughts", "JSON in a JSON string",
}  # fmt: skip
"""Forms around which no more words can stand, or which hold some themselves."""


def read(text: str) -> Written:
    """Return what is read of an answer's text."""
    return written_calls(thought_and_said(text)[1].strip(), TOOLS)


@pytest.mark.parametrize("form", FORMS)
def test_a_call_is_read_in_the_form_that_the_model_wrote(form: str) -> None:
    """Nothing of its wrapping is left as text."""
    found = read(FORMS[form])
    assert [(call.name, call.arguments["message"], call.error) for call in found.calls] == [("send_message", "Hi", "")]
    assert found.text == ""


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ALONE])
def test_prose_around_a_call_is_kept_beside_it(form: str) -> None:
    """It is an inner thought; arguments without a name are a call only where nothing else is said."""
    found = read(f"Let me greet her.\n{FORMS[form]}\nThat is done.")
    assert [call.arguments["message"] for call in found.calls] == ["Hi"]
    assert found.text.startswith("Let me greet her.")
    assert "That is done." in found.text
    assert "send_message" not in found.text


@pytest.mark.parametrize(
    "text",
    [
        'Sure, I can do that! send_message(message="Hi")', "I'll greet you now with send_message(message='Hi').",
        'Sure: {"name": "send_message", "arguments": {"message": "Hi"}} and done',
        'Let me greet her.\n```python\nr = send_message(message="Hi")\n```',
    ],
)  # fmt: skip
def test_a_call_within_words_that_announce_it_is_carried_out(text: str) -> None:
    """It stands at the line's end behind them, or names its tool as JSON."""
    assert [call.arguments["message"] for call in read(text).calls] == ["Hi"]


def test_several_calls_are_read_in_their_order() -> None:
    """Two tags in a row, and a list of two."""
    first = '{"name": "core_memory_append", "arguments": {"label": "human", "content": "x"}}'
    second = '{"name": "send_message", "arguments": {"message": "Hi"}}'
    python = 'core_memory_append(label="human", content="x")', 'send_message(message="Hi")'
    wide = "".join(
        f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{json.loads(call)['arguments']}<｜tool▁call▁end｜>".replace("'", '"')
        for name, call in (("core_memory_append", first), ("send_message", second))
    )
    for text in (
        f"<tool_call>{first}</tool_call>\n<tool_call>{second}</tool_call>", f"[{first}, {second}]", f"{first}\n{second}",
        f"[{', '.join(python)}]", "; ".join(python), f"[\n  {python[0]},\n  {python[1]},\n]", "\n".join(python),
        f"<｜tool▁calls▁begin｜>{wide}<｜tool▁calls▁end｜>",
    ):  # fmt: skip
        assert [call.name for call in written_calls(text, TOOLS).calls] == ["core_memory_append", "send_message"]


@pytest.mark.parametrize("text", PROSE)
def test_what_is_meant_for_the_user_stays_a_reply(text: str) -> None:
    """Prose that mentions a tool, code, and JSON that names none."""
    found = read(text)
    assert (found.calls, found.unreadable, found.text) == ([], False, text)


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_call_that_cannot_be_read_is_told_apart(text: str) -> None:
    """It names a tool in call syntax, and is no reply."""
    found = read(text)
    assert (found.calls, found.unreadable) == ([], True)


def test_a_call_of_a_tool_that_there_is_not_is_one_where_a_mark_says_so() -> None:
    """The model gets an error that it can act on."""
    text = '<tool_call>{"name": "fly", "arguments": {"to": "Oslo"}}</tool_call>'
    assert [call.name for call in written_calls(text, TOOLS).calls] == ["fly"]


@pytest.mark.parametrize("unit", ["\nsend_message(“word word", "{x: “word word ", "```\n", "Calling send_message('word "])
def test_an_endless_answer_is_read_in_good_time(unit: str) -> None:
    """A weak model may repeat the beginning of a call until it is stopped: 0.1 to 1.5 seconds of processor time, not minutes."""
    began = time.process_time()
    assert not written_calls((unit * (200_000 // len(unit)))[:200_000], TOOLS).calls
    assert time.process_time() - began < 10


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
