"""LangChain's JS SDK in Node against the real server: the words of a reply, and what is taken back."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("MEMGPT_TEST_NODE", "")
"""A folder in which ``npm install @langchain/langgraph-sdk`` was run; tests install nothing from the network."""
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        not FOLDER or shutil.which("node") is None,
        reason="needs node, and MEMGPT_TEST_NODE naming a folder with @langchain/langgraph-sdk",
    ),
]


def said(server: Any, agent_id: str, text: str, held: Any) -> list[Any]:
    """Say something from Node; return what was shown, change by change, and the reply last. The first word lets the model go on."""
    program = str(Path(__file__).with_name("words.mjs"))
    lines: list[Any] = []
    with subprocess.Popen(["node", program, FOLDER, server.url, agent_id, text], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        for line in node.stdout:
            lines.append(json.loads(line))
            held.go_on.set()
    assert node.returncode == 0
    return lines


def test_the_js_client_shows_the_first_word_while_the_model_is_still_writing(server: Any, held: Any) -> None:
    """What it has of the reply grows up to the whole, under the reply's id."""
    *shown, reply = said(server, "js-held", "What do you know? held", held)
    assert held.told
    assert len(shown) > 3
    assert {key for state in shown for key, _ in state} == {reply["id"]}
    assert all(reply["content"].startswith(state[0][1]) for state in shown)
    assert shown[-1] == [[reply["id"], reply["content"]]]


def test_the_js_client_takes_a_rejected_draft_back(server: Any, held: Any) -> None:
    """It was shown, then it is gone, and the next reply stands alone."""
    *shown, reply = said(server, "js-draft", "say nonsense", held)
    assert any("draft" in state[0][1] for state in shown if state)
    assert [] in shown
    assert shown[-1] == [[reply["id"], reply["content"]]] == [[reply["id"], "Nice to meet you!"]]
