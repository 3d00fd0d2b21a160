"""A document that a chat client sends to LangGraph's server lands in the agent's files."""

import base64
from typing import Any

import pytest

from tests.documents_made import pdf_of
from tests.serving.conftest import Talk

pytestmark = pytest.mark.server


def test_a_pdf_in_agent_chat_uis_form_is_in_the_agents_files(client: Any) -> None:
    """The chat shows what became of it before the answer; nothing on the way holds up the server's loop."""
    talk = Talk(client, "reader")
    data = base64.b64encode(pdf_of(["Invoice 1041", "The sum is 318 euros."])).decode()
    block = {"type": "file", "mimeType": "application/pdf", "data": data, "metadata": {"filename": "invoice.pdf"}}
    content = [{"type": "text", "text": "say hello"}, block]
    given = {"input": {"messages": [{"role": "user", "content": content}]}, "context": {"agent_id": "reader"}}
    values = client.runs.wait(talk.thread, "memgpt", **given)
    told = [m["content"] for m in values["messages"] if m["type"] == "ai" and m["content"]]
    assert told == ["[invoice.pdf is in my files now (3 lines).]", "re hello"]
    (item,) = client.store.search_items(["reader", "files"])["items"]
    assert item["value"]["name"] == "invoice.pdf"
    assert [m["content"] for m in values["messages"] if m["type"] == "human"] == [content], "the queue stays as it was sent"
