"""LangChain's JS SDK in Node against the real server: the words of a reply, what is taken back, and what useStream shows of a turn."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("MEMGPT_TEST_NODE", "")
"""The folder that ``scripts/test_clients.sh`` makes; tests install nothing from the network."""
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        not FOLDER or shutil.which("node") is None,
        reason="needs node, and MEMGPT_TEST_NODE naming a folder with @langchain/langgraph-sdk",
    ),
]


def said(server: Any, agent_id: str, text: str, held: Any) -> list[Any]:
    """Say something from Node; return what was shown, change by change, and the reply last. The first word lets the model go on."""
    return lines_of("words.mjs", held, server.url, agent_id, text)


def lines_of(name: str, held: Any, *arguments: str) -> list[Any]:
    """Run a program beside this file; return the lines of JSON that it prints. The first one lets the model go on."""
    program = str(Path(__file__).with_name(name))
    lines: list[Any] = []
    with subprocess.Popen(["node", program, FOLDER, *arguments], stdout=subprocess.PIPE, text=True) as node:
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


def chatted(server: Any, graph: str, *texts: str) -> tuple[list[list[str]], dict[str, Any]]:
    """Chat by ``useStream`` in React; return what Agent Chat UI's rules show, change by change, and the end."""
    program = str(Path(__file__).with_name("shown.mjs"))
    command = ["node", program, FOLDER, server.url, graph, *texts]
    *shown, end = map(json.loads, subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.splitlines())
    return shown, end


def test_a_turn_shows_its_reply_once(server: Any) -> None:
    """No card of the speaking at any moment, words as they come, and a card for what else was done, by rules read in Agent Chat UI's source."""
    shown, end = chatted(server, "memgpt", "Hi, I'm Alice", "say hello")
    edit = ["card: core_memory_append", "card: result of core_memory_append"]
    assert end == {"shown": ["Hi, I'm Alice", *edit, "Nice to meet you!", "say hello", "re hello"], "waiting": 0}
    assert not any("send_message" in line for lines in shown for line in lines)
    assert len({lines[-1] for lines in shown if len(lines) == 4}) > 2  # the reply grew


def test_a_question_stands_beside_the_last_message_that_is_shown(server: Any) -> None:
    """A form is shown there; the next message gives the call up, and the agent is told that it was not carried out."""
    assert chatted(server, "careful", "file the invoice")[1] == {"shown": ["file the invoice", "card: archival_memory_insert"], "waiting": 1}
    shown = chatted(server, "careful", "file the invoice", "say stop")[1]["shown"]
    assert shown == ["file the invoice", "card: archival_memory_insert", "card: result of archival_memory_insert", "say stop", "re stop"]


def test_the_sdks_event_streaming_gives_the_words_as_they_come(server: Any, held: Any) -> None:
    """The first piece while the model is held in the middle; the pieces add up to the reply, under its id."""
    *pieces, (reply_id, reply) = lines_of("events.mjs", held, server.url, "What do you know? held")
    assert held.told
    assert len(pieces) > 3
    assert {key for key, _ in pieces} == {reply_id}
    assert "".join(piece for _, piece in pieces) == reply
