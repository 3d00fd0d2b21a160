"""What a user sends along with a message: loaded into the agent's files, kept as it came, and referred to by recall memory."""

import base64
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.agent_file import export_agent, import_agents
from memgpt_agent.memory.uploads import MAX_UPLOAD_BYTES, Uploads
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, say
from tests.documents_made import pdf_of

PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
TEXT = "The allotment lies behind the station.\nIts number is 4711.\n"


def agent_on(home: Path, model: Any, **options: Any) -> MemGPTAgent:
    """Return the agent whose memory lies in a folder."""
    return MemGPTAgent(agent_id="a", model=model, embedding=HashingEmbedder(), settings=Settings.load(home=home), **options)


def sent(agent: MemGPTAgent, *blocks: Any, text: str = "Look at this.", message_id: str = "m-1") -> list[BaseMessage]:
    """Send blocks as a chat client does, by the graph itself; return the queue."""
    message = HumanMessage([{"type": "text", "text": text}, *blocks], id=message_id)
    config: Any = {"configurable": {"thread_id": agent.thread_id}}
    return agent.graph.invoke({"messages": [message]}, config, context=agent.context)["messages"]


def packed(content: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(content).decode()


PDF = pdf_of(["Invoice 1041", "The sum is 318 euros."])
MIME = "application/pdf"
NAMED = {"filename": "invoice.pdf"}
FORMS = {
    "langchain": {"type": "file", "base64": packed(PDF), "mime_type": MIME, "extras": NAMED},
    "langchain's older": {"type": "file", "source_type": "base64", "data": packed(PDF), "mime_type": MIME, **NAMED},
    "agent chat ui": {"type": "file", "mimeType": MIME, "data": packed(PDF), "metadata": NAMED},
    "openai chat": {"type": "file", "file": {**NAMED, "file_data": f"data:application/pdf;base64,{packed(PDF)}"}},
    "openai responses": {"type": "input_file", **NAMED, "file_data": f"data:application/pdf;base64,{packed(PDF)}"},
    "anthropic": {"type": "document", "source": {"type": "base64", "media_type": MIME, "data": packed(PDF)}, "title": "invoice.pdf"},
    "gemini": {"type": "media", "mime_type": MIME, "data": packed(PDF), "name": "invoice.pdf"},
    "octets": {"type": "file", "mime_type": "application/octet-stream", "base64": packed(PDF), "name": "invoice.pdf"},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_pdf_in_any_form_is_in_the_agents_files(form: str, tmp_path: Path):
    """It is searched and read by its lines, the model sees its text, and the user is told."""
    model = ScriptedModel([say("318 euros.")])
    with agent_on(tmp_path, model) as agent:
        queue = sent(agent, FORMS[form])
        (record,) = agent.memory.files.records()
        assert record.name == "invoice.pdf"
        assert "318 euros" in agent.memory.files.search("sum")[0].value["text"]
        shown = str(model.calls[0][-1].content)
        assert "invoice.pdf" in shown
        assert "The sum is 318 euros." in shown
        assert packed(PDF)[:40] not in shown
    told = [m.text for m in queue if m.type == "ai"]
    assert told[0].startswith("[invoice.pdf is in my files now (")


def test_a_file_that_was_loaded_stays_where_the_pictures_beside_it_are_refused(tmp_path: Path):
    """The model is sent its text with each try, and the user is told of the pictures alone."""

    class Refused(Exception):
        status_code = 400

    pictures = [{"type": "image", "base64": packed(PICTURE), "mime_type": "image/png"}] * 2
    model = ScriptedModel([*[Refused("messages.1.content.2: Could not process image")] * 2, say("318 euros.")])
    with agent_on(tmp_path, model) as agent:
        told = " ".join(m.text for m in sent(agent, FORMS["langchain"], *pictures) if m.type == "ai")
    assert "refused an image (image/png), so I went on" in told
    asked = [str(prompt[-1].content) for prompt in model.calls]
    assert [prompt.count(packed(PICTURE)) for prompt in asked] == [2, 1, 0]
    assert all("The sum is 318 euros." in prompt for prompt in asked)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text-plain", "text": TEXT, "mime_type": "text/plain", "extras": {"filename": "garden.txt"}},
        {"type": "file", "base64": packed(TEXT.encode()), "mime_type": "text/markdown", "extras": {"filename": "garden.md"}},
        {"type": "file", "url": f"data:text/plain;base64,{packed(TEXT.encode())}", "name": "garden.txt"},
        {"type": "file", "file": {"filename": "garden.py", "file_data": "data:text/x-python;charset=utf-8,garden%20%3D%204711%0A"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}, "title": "garden.txt"},
        {"type": "file", "base64": packed(b"name;number\ngarden;4711\n"), "mime_type": "text/csv", "filename": "garden.csv"},
    ],
)
def test_a_text_in_any_form_is_in_the_agents_files(block: dict[str, Any], tmp_path: Path):
    """Also as a data URL that is not base64."""
    model = ScriptedModel([say("4711.")])
    with agent_on(tmp_path, model) as agent:
        sent(agent, block)
        (record,) = agent.memory.files.records()
        assert record.name.startswith("garden.")
        assert any("4711" in line for _, line in agent.memory.files.lines(record, 1, 9))
    assert "4711" in str(model.calls[0][-1].content)


def test_the_same_file_sent_again_is_recognised(tmp_path: Path):
    """Whatever it is called; another file of the same name becomes a second one."""
    model = ScriptedModel([say("One."), say("Two."), say("Three.")])
    with agent_on(tmp_path, model) as agent:
        sent(agent, FORMS["langchain"])
        again = sent(agent, {**FORMS["agent chat ui"], "metadata": {"filename": "copy.pdf"}}, message_id="m-2")
        other = {**FORMS["langchain"], "base64": packed(pdf_of(["Invoice 1042"]))}
        sent(agent, other, message_id="m-3")
        assert [record.name for record in agent.memory.files.records()] == ["invoice (2).pdf", "invoice.pdf"]
        assert len(agent.memory.uploads.newest()) == 2
    assert "[invoice.pdf was in my files already.]" in [m.text for m in again]


def test_a_long_file_is_shown_by_its_beginning_and_found_as_a_whole(tmp_path: Path):
    """What the model is sent stays within its budget, however long the file is."""
    long = "".join(f"Line {n} of the log speaks of nothing at all.\n" for n in range(6_000)) + "At the end: the password is swordfish.\n"
    model = ScriptedModel([say("Long.")])
    with agent_on(tmp_path, model, context_window=8_192) as agent:
        sent(agent, {"type": "file", "base64": packed(long.encode()), "mime_type": "text/plain", "extras": {"filename": "log.txt"}})
        assert "swordfish" in agent.memory.files.search("password swordfish")[0].value["text"]
        assert agent.context_sections()["total"] < agent.context_sections()["budget"]
    shown = str(model.calls[0][-1].content)
    assert "Line 3 of the log" in shown
    assert "swordfish" not in shown
    assert "archival_memory_search" in shown


def test_where_files_can_be_opened_it_is_open(tmp_path: Path):
    """An agent with the tools for files sees it below its core memory."""
    long = "".join(f"Line {n} of the log.\n" for n in range(800))
    model = ScriptedModel([say("Open.")])
    with agent_on(tmp_path, model, tools=["files"]) as agent:
        sent(agent, {"type": "file", "base64": packed(long.encode()), "mime_type": "text/plain", "extras": {"filename": "log.txt"}})
    assert "<open_files>" in str(model.calls[0][0].content) + str(model.calls[0][1].content)
    assert "search_files" in str(model.calls[0][-1].content)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"%PDF-1.4 nothing of it", "broken.pdf", "cannot be read"),
        (b"\0\1\2" * 50, "zeros.txt", "cannot be read"),
        (b"  \n ", "empty.txt", "cannot be read"),
        (b"x" * (MAX_UPLOAD_BYTES + 1), "huge.txt", "20 MB are the limit"),
    ],
    ids=["broken", "zeros", "empty", "huge"],
)
def test_what_cannot_be_loaded_gets_a_word(content: bytes, name: str, said: str, tmp_path: Path):
    """To the user and to the model; the conversation goes on."""
    model = ScriptedModel([say("I cannot read it.")])
    mime = MIME if name.endswith("pdf") else "text/plain"
    block = {"type": "file", "base64": packed(content), "mime_type": mime, "filename": name}
    with agent_on(tmp_path, model) as agent:
        queue = sent(agent, block)
        assert [record for record in agent.memory.files.records() if record.sha256] == []
    notice = next(m.text for m in queue if m.type == "ai")
    assert said in notice
    assert name in notice
    assert "/tmp" not in notice


def test_a_file_that_the_provider_reads_natively_stays_where_it_holds_no_text(tmp_path: Path):
    """A scanned PDF goes to the model as it is."""
    model = ScriptedModel([say("Seen.")])
    with agent_on(tmp_path, model) as agent:
        sent(agent, {**FORMS["langchain"], "base64": packed(pdf_of([""]))})
    kinds = [block["type"] for block in model.calls[0][-1].content if isinstance(block, dict)]
    assert kinds == ["text", "file"]


def test_the_original_of_a_picture_is_found_by_recall_after_it_left_the_context(tmp_path: Path):
    """Recall memory names it, also where nothing was said beside it, and the agent's memory has its bytes."""
    model = ScriptedModel([say("A red dot."), *(say("Mm.") for _ in range(3))])
    with agent_on(tmp_path, model) as agent:
        config: Any = {"configurable": {"thread_id": agent.thread_id}}
        block = {"type": "image", "base64": packed(PICTURE), "mime_type": "image/png", "extras": {"filename": "garden.png"}}
        agent.graph.invoke({"messages": [HumanMessage([block], id="p-1")]}, config, context=agent.context)
        found = agent.tools.conversation_search("garden.png")
        assert "garden.png (image/png, 1 KB; original: upload-" in found
        upload_id = found.partition("original: ")[2].partition(")")[0]
        upload, content = agent.memory.uploads.get(upload_id)
        assert (content, upload.name, upload.message) == (PICTURE, "garden.png", "p-1")
        agent.graph.invoke({"messages": [HumanMessage([block], id="p-1")]}, config, context=agent.context)
    assert len(model.calls) == 1, "the same message is handled once"


def test_what_is_attached_in_python_is_what_a_client_sends(tmp_path: Path):
    """By path or as a block, in both faces; the answer comes behind what the user is told."""
    (tmp_path / "notes.md").write_text("# Notes\n\nThe code is 4711.\n")
    (tmp_path / "dot.png").write_bytes(PICTURE)
    model = ScriptedModel([say("4711."), say("Again.")])
    with agent_on(tmp_path / "home", model) as agent:
        response = agent.step("What is the code?", attachments=[tmp_path / "notes.md", str(tmp_path / "dot.png")])
        assert response.message.splitlines()[0].startswith("[notes.md is in my files now")
        assert response.message.endswith("4711.")
        content: Any = model.calls[0][-1].content
        assert [b["type"] for b in content] == ["text", "image"]
        again = agent.step("", attachments=[FORMS["openai chat"]])
        assert again.message.startswith("[invoice.pdf is in my files now")


def test_a_turn_that_failed_is_taken_again_with_its_file(tmp_path: Path):
    """What was loaded before the model failed is recognised, not loaded twice."""
    with agent_on(tmp_path, ScriptedModel([])) as agent, pytest.raises(AssertionError):
        agent.step("Look.", attachments=[FORMS["langchain"]], event_id="e-1")
    model = ScriptedModel([say("Seen.")])
    with agent_on(tmp_path, model) as agent:
        assert agent.step("Look.", attachments=[FORMS["langchain"]], event_id="e-1").message.endswith("Seen.")
        assert [record.name for record in agent.memory.files.records()] == ["invoice.pdf"]


def test_uploads_go_with_an_export_and_with_their_agent(tmp_path: Path):
    """They are part of what an agent is."""
    model = ScriptedModel([say("Seen.")])
    file = tmp_path / "a.json"
    with agent_on(tmp_path / "one", model) as agent:
        sent(agent, {"type": "image", "base64": packed(PICTURE), "mime_type": "image/png", "extras": {"filename": "garden.png"}})
        (upload,) = agent.memory.uploads.newest()
        saver: Any = agent.graph.checkpointer
        export_agent("a", file, store=agent.memory.store, checkpointer=saver)
    with agent_on(tmp_path / "two", model) as other:
        saver = other.graph.checkpointer
        import_agents(file, agent_id="b", store=other.memory.store, checkpointer=saver)
        kept, content = Uploads(other.memory.store, "b").get(upload.id)
        assert (kept.name, kept.message, content) == ("garden.png", "m-1", PICTURE)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": 7}, {"type": "file", "file": None}, {"type": "file", "data": ["x"], "mime_type": "text/plain"},
        {"type": "file", "base64": "%%%", "mime_type": MIME, "extras": "none"}, {"type": "file", "file": {"file_id": "file-abc"}},
        {"type": "file", "url": "https://example.com/x.pdf", "mime_type": MIME}, {"type": "image"}, {"type": "text-plain", "text": "a\0\ud83d"},
    ],
)  # fmt: skip
def test_no_form_of_an_attachment_ends_a_conversation(block: dict[str, Any], tmp_path: Path):
    """Whatever a client sends, the agent answers."""
    model = ScriptedModel([say("Here.")])
    with agent_on(tmp_path, model) as agent:
        assert sent(agent, block)[-1].text == "Here."


def test_a_files_name_hides_nothing_and_leads_nowhere(tmp_path: Path):
    """It is shown on one line, without the folders that it names and without signs that turn the writing round."""
    model = ScriptedModel([say("Here.")])
    with agent_on(tmp_path, model) as agent:
        sent(agent, {**FORMS["agent chat ui"], "metadata": {"filename": "../../etc/in\nvoice\u202efdp.pdf"}})
        assert [record.name for record in agent.memory.files.records()] == ["in voicefdp.pdf"]
        assert [upload.name for upload in agent.memory.uploads.newest()] == ["in voicefdp.pdf"]
