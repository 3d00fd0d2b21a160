"""Tool schemas in each provider's part of JSON Schema."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from benchmarks.providers.strict.gemini import Gemini
from benchmarks.providers.strict.openai_chat import check_schema
from memgpt_agent.models.dialects.schemas import described, fitting_name, gemini, keyed, named, own_keys, rooted

WILD = {
    "type": "object",
    "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "kind": {"const": "leaf"}}}},
    "properties": {
        "node": {"$ref": "#/$defs/Node"},
        "size": {"type": ["integer", "null"], "enum": [1, 2], "exclusiveMinimum": 0},
        "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "either": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "rows": {"type": "array"},
        "free": {"type": "object", "additionalProperties": True},
    },
    "required": ["node", "gone"],
    "additionalProperties": False,
}


def test_geminis_schema_is_in_its_subset():
    """One type each, strings to choose from, a known format, objects that name what they hold; no references."""
    put = gemini(WILD)
    assert put["required"] == ["node"]
    assert "additionalProperties" not in put
    properties = put["properties"]
    assert properties["node"]["properties"]["kind"] == {"type": "string", "enum": ["leaf"]}
    assert properties["node"]["properties"]["next"] == {"type": "string", "description": "(a JSON object)"}
    assert properties["size"] == {"type": "string", "enum": ["1", "2"], "nullable": True}
    assert properties["when"] == {"type": "string", "nullable": True}
    assert properties["either"] == {"anyOf": [{"type": "string"}, {"type": "number"}]}
    assert properties["rows"] == {"type": "array", "items": {"type": "string"}}
    assert properties["free"]["type"] == "string"


def test_a_root_is_an_object_without_a_choice():
    """What its branches name can all be given."""
    put = rooted({"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "array"}}}]})
    assert put == {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {}}}}


def test_a_name_that_providers_refuse_is_offered_under_another_and_found_again():
    """Two names that differ only in what is refused stay two."""
    assert fitting_name("send_message") == "send_message"
    assert fitting_name("a.b") != fitting_name("a/b")
    tools, own = named([{"type": "function", "function": {"name": "files.read/ünder" * 8, "parameters": {}}}])
    name = tools[0]["function"]["name"]
    assert len(name) <= 64
    assert own == {name: "files.read/ünder" * 8}


def test_a_long_description_goes_on_with_the_parameters():
    """OpenAI takes 1,024 characters; nothing is lost. A short one stays."""
    long: dict[str, Any] = {"type": "function", "function": {"name": "a", "description": "word " * 300, "parameters": {"type": "object"}}}
    short = {"type": "function", "function": {"name": "b", "description": "x" * 1_024}}
    put, same = described([long, short], 1_024)
    text, rest = put["function"]["description"], put["function"]["parameters"]["description"]
    assert (len(text) <= 1_024, text[-1], same) == (True, "…", short)
    assert f"{text[:-1]} {rest}".split() == ["word"] * 300
    long["function"]["parameters"]["description"] = "Two numbers."
    assert described([long], 1_024)[0]["function"]["parameters"]["description"] == f"{rest}\n\nTwo numbers."


def test_parameters_that_anthropic_refuses_are_offered_under_others_and_found_again():
    """As tools of OData and REST interfaces name them; the schema's own names come back with the call."""
    schema = {"type": "object", "properties": {"filter[name]": {}, "$top": {}, "a.b": {}, "x" * 70: {}}, "required": ["$top"]}
    put = keyed(schema)
    assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name) for name in put["properties"])
    assert put["required"] == [list(put["properties"])[1]]
    assert own_keys(dict.fromkeys(put["properties"], 1), schema) == dict.fromkeys(schema["properties"], 1)


_WORDS = st.sampled_from(["string", "integer", "array", "object", "null", "any", "int", "list", "File", None, 3])
_SHAPES = st.recursive(
    st.one_of(
        st.booleans(), st.none(), st.builds(dict), st.builds(lambda kind: {"type": kind}, st.one_of(_WORDS, st.lists(_WORDS, max_size=3))),
        st.builds(lambda values: {"enum": values}, st.lists(st.sampled_from([1, "a", None, "", True]), max_size=3)),
        st.sampled_from([{"$ref": "#/$defs/Node"}, {"$ref": "#/$defs/Gone"}, {"const": None}, {"const": 3}, {"format": "uri"}]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda key, values: {key: values}, st.sampled_from(["anyOf", "oneOf", "allOf"]), st.lists(inner, max_size=3)),
        st.builds(lambda values: {"type": "array", "items": values}, st.one_of(inner, st.lists(inner, max_size=2))),
        st.builds(
            lambda values, required: {"type": "object", "properties": values, "required": required},
            st.dictionaries(st.sampled_from(["a", "type", "definitions", "items"]), inner, max_size=3),
            st.sampled_from([True, None, [], ["a"], ["a", "gone"]]),
        ),
        st.builds(lambda one: {"description": None, "default": None, "anyOf": [one, {"type": "null"}]}, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@given(_SHAPES)
def test_any_schema_is_one_that_every_provider_takes(shape: Any) -> None:
    """Whatever a tool's maker wrote: wrong types, choices of choices, arrays without items, requirements that are none."""
    schema = {"type": "object", "properties": {"x": shape, "definitions": {"type": "string"}}, "$defs": {"Node": {"type": "array"}}}
    taken = gemini(schema)
    Gemini().check_schema("x", taken)
    put = rooted(schema)
    Draft202012Validator.check_schema(put)
    check_schema("f", put, ())
    assert "definitions" in put["properties"]
    assert "$ref" not in str(put)
