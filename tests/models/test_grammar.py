"""The grammar of tool calls."""

import pytest

from memgpt_agent.errors import ConfigurationError
from memgpt_agent.models.grammar import literal, schema_grammar, tool_call_grammar


def test_properties_keep_their_order_and_only_optional_ones_may_be_missing():
    """``thinking`` stays first and ``request_heartbeat`` last, with the optional property between them."""
    grammar = schema_grammar(
        {
            "type": "object",
            "properties": {"thinking": {"type": "string"}, "page": {"type": "integer"}, "last": {"type": "boolean"}},
            "required": ["thinking", "last"],
        }
    )
    root = grammar.splitlines()[0]
    assert root.startswith(r'root ::= "{" "\"thinking\": "')
    assert r'(", " "\"page\": "' in root
    assert r'", " "\"last\": " value-of' in grammar
    assert grammar.index("page") < grammar.index("last")


def test_an_enum_admits_its_values_only():
    """Labels of blocks are told to the model as an enum; no other can be written."""
    assert schema_grammar({"enum": ["human", "persona"]}) == r'root ::= ("\"human\"" | "\"persona\"")'


def test_no_bounded_repetition_is_written():
    """A length limit hangs the sampler, so it is left to validation."""
    assert "{" not in schema_grammar({"type": "string", "maxLength": 260}).replace('"{"', "").replace("]{", "")


def test_a_reference_within_the_schema_is_followed_even_to_itself():
    """A recursive schema becomes a recursive rule."""
    grammar = schema_grammar(
        {
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
            "$ref": "#/$defs/node",
        }
    )
    assert grammar.splitlines()[0] == "root ::= ref-0"


def test_a_dangling_reference_is_refused_by_name():
    """The error shows which reference leads nowhere."""
    with pytest.raises(ConfigurationError, match="#/\\$defs/gone"):
        schema_grammar({"$ref": "#/$defs/gone"})


def test_text_may_be_answered_only_where_the_choice_is_free():
    """``auto`` admits text or a call; without it every answer is a call."""
    tool = {"name": "speak", "parameters": {"type": "object", "properties": {}}}
    assert "[^<{`]" in tool_call_grammar([tool], text_allowed=True)
    assert "[^<{`]" not in tool_call_grammar([tool])


def test_no_tools_make_no_grammar():
    """Asking for a call of nothing is a programmer's mistake."""
    with pytest.raises(ConfigurationError, match="at least one tool"):
        tool_call_grammar([])


def test_a_literal_escapes_what_gbnf_reads_otherwise():
    """Quotes, backslashes and line breaks."""
    assert literal('a"b\\c\n') == '"a\\"b\\\\c\\n"'
