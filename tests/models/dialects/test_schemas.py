"""Tool schemas in each provider's part of JSON Schema."""

from memgpt_agent.models.dialects.schemas import fitting_name, gemini, named, rooted

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
