"""What is found by its signs rather than by its words."""

import pytest

from memgpt_agent.text.words import signs


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He writes F# and C++.", ["f_sharp", "c_plus_plus"]),
        ("a + b # c", []),
        ("moved to .NET, then .foo", ["dot_net", "dot_foo"]),
        ("list.append(x) and ../up", []),
        ("paid €12,500.50 or 12.500,50 or 12'500", ["12500", "12500", "12500"]),
        ("room 12, 500 guests", []),
        ("+44 20 7946 0958", ["442079460958"]),
        ("(030) 1234-5678", ["03012345678"]),
        ("on 2026-11-28 10:00", []),
        ("10.0.0.1", []),
        ("parseXMLFile in fooBar", ["parse", "xml", "file", "foo", "bar"]),
        ("NASA and Anna", []),
        ("see 🚲 and 🏳️‍🌈", ["u1f6b2", "u1f3f3_200d_1f308"]),
        ("", []),
    ],
)
def test_signs_become_terms(text: str, found: list[str]) -> None:
    """Each in letters, digits and underscores; what only looks like one gives nothing."""
    assert signs(text) == found
