"""Attachments in every form that clients send."""

import base64

import pytest
from langchain_core.messages import HumanMessage

from memgpt_agent.events import put_to_model
from memgpt_agent.models.dialects.attachments import expressed, in_words, read, standard

GIF = base64.b64encode(b"GIF89a" + bytes(20)).decode()
PDF = base64.b64encode(b"%PDF-1.7 " + bytes(20)).decode()
FORMS = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{GIF}"}},
    {"type": "image_url", "image_url": f"data:image/gif;base64,{GIF}"},
    {"type": "image", "mimeType": "image/gif", "data": GIF},
    {"type": "image", "base64": GIF, "mime_type": "image/gif"},
    {"type": "image", "source_type": "base64", "data": GIF, "mime_type": "image/gif"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": GIF}},
    {"type": "input_image", "image_url": f"data:image/gif;base64,{GIF}"},
    {"type": "media", "mime_type": "image/gif", "data": GIF},
    {"inlineData": {"mimeType": "image/gif", "data": GIF}},
    {"type": "non_standard", "value": {"type": "image", "mimeType": "image/gif", "data": GIF}},
]


@pytest.mark.parametrize("block", FORMS)
def test_a_picture_is_read_from_each_form_and_is_what_its_first_bytes_say(block: dict):
    """Also as an event puts it, after LangChain has read the blocks."""
    put = put_to_model(HumanMessage([{"type": "text", "text": "look"}, block], id="m"), time_zone="UTC")
    for given in (block, put.content[1]):
        found = read(given)
        assert found is not None
        assert (found.kind, found.mime, found.data) == ("image", "image/gif", GIF)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "file", "mimeType": "application/pdf", "data": PDF, "metadata": {"filename": "a.pdf"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "a.pdf"},
        {"type": "file", "base64": PDF, "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
    ],
)
def test_a_file_keeps_its_name_and_kind(block: dict):
    """The sentence that stands for it names both."""
    found = read(block)
    assert found is not None
    assert (found.kind, found.mime, found.name) == ("file", "application/pdf", "a.pdf")
    assert in_words(found) == "[A file ('a.pdf', application/pdf, 1 KB) was attached here. You cannot see or hear it: say so if it matters.]"


def test_base64_is_put_in_its_standard_form():
    """Line breaks, the URL alphabet and missing padding are mended; what is no base64 is nothing."""
    assert standard("_-8\n") == "/+8="
    assert standard("not base64!") == ""


def test_a_text_file_is_put_as_its_text_and_what_cannot_be_taken_as_a_sentence():
    """A message of texts alone is one plain text: not every server takes lists."""
    text = {"type": "file", "mimeType": "text/plain", "data": base64.b64encode(b"hello").decode(), "metadata": {"name": "n.txt"}}
    message = HumanMessage([{"type": "text", "text": "see"}, text, {"type": "image", "url": "https://x.invalid/a.png"}])
    (put,) = expressed([message], lambda _: None)
    assert put.content == (
        "see\n[Attached file 'n.txt':]\nhello\n[An image was attached here. You cannot see or hear it: say so if it matters.]"
    )
