"""What is damaged, or too much, within a document costs itself: the rest is read, and a note says what was left out."""

import base64
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from memgpt_agent.documents import Content, DocumentReader, Limits, find_files
from tests.documents import made

QUICK = Limits(seconds=30, part_seconds=20, expanded_bytes=3_000_000, memory_bytes=400_000_000)


def read(path: Path, limits: Limits = QUICK) -> tuple[list[str], list[str]]:
    """The texts of a file's sections, and what is said of its reading."""
    (file,) = find_files(path, limits=limits)
    with DocumentReader() as reader:
        content = Content(file, reader)
        return [section.text for section in content.sections()], content.notes


def mail(*attachments: tuple[str, bytes]) -> bytes:
    """A message with attachments."""
    head = b'From: a@example.org\nContent-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nsee attached\n'
    form = '--x\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="{}"\n\n'
    return head + b"".join(form.format(name).encode() + base64.encodebytes(data) for name, data in attachments) + b"--x--\n"


def spoiled(data: bytes, member: str) -> bytes:
    """An archive in which one member's bytes are not those that it was made of."""
    with zipfile.ZipFile(BytesIO(data)) as file:
        about = file.getinfo(member)
    start = about.header_offset + 30 + len(member)
    return data[:start] + bytes(byte ^ 0x55 for byte in data[start : start + about.compress_size]) + data[start + about.compress_size :]


def cell(place: str, value: str, kind: str = "n", style: str = "0") -> str:
    """A cell of a sheet."""
    return f'<c r="{place}" t="{kind}" s="{style}"><v>{value}</v></c>'


def test_what_an_attachment_takes_or_breaks_costs_nothing_else(tmp_path: Path) -> None:
    """One takes all memory, one all the time it has, one unpacks without end, one is damaged, one is of no kind: between them all is read."""
    slow = made.archive({"word/document.xml": f'<w:document xmlns:w="{made.WORDS}" a="'.encode() + b"a" * 90_000_000 + b'"/>'})
    inner = mail(("deep.csv", b"id,city\n1,Voss\n"), ("bad.odt", b"PK"))
    bomb = made.word(b"<w:p><w:r><w:t>all work</w:t></w:r></w:p>" * 100_000)
    (tmp_path / "m.eml").write_bytes(
        mail(
            ("slow.docx", slow), ("one.csv", b"id,city\n1,Oslo\n"), ("bomb.docx", bomb), ("bad.docx", b"no archive"), ("p.png", b"x"),
            ("inner.eml", inner), ("last.txt", b"the end"),
        )
    )  # fmt: skip
    limits = Limits(seconds=30, part_seconds=2, expanded_bytes=3_000_000, memory_bytes=400_000_000)
    slow_limits = Limits(seconds=30, part_seconds=2, expanded_bytes=100_000_000, memory_bytes=400_000_000)
    for bounds, first in ((limits, "unpacks to more than"), (slow_limits, "takes too long|of memory")):
        texts, notes = read(tmp_path / "m.eml", bounds)
        assert texts[0].endswith("see attached")
        assert [text.split(":\n", 1)[-1] for text in texts[1:] if "all work" not in text] == [
            "id: 1; city: Oslo", "From: a@example.org\n\nsee attached", "Attachment deep.csv:\nid: 1; city: Voss", "the end",
        ]  # fmt: skip
        assert any(word in notes[0] for word in first.split("|"))
        told = [note for note in notes if "slow" not in note and "bomb" not in note]
        assert [note.split(" cannot ")[0].split(" is ")[0] for note in told] == [
            "the attachment 'bad.docx'", "the attachment 'p.png'", "attachment 'inner.eml': the attachment 'bad.odt'",
        ]  # fmt: skip


ROW = '<row r="{0}">' + cell("A{0}", "{1}", "str") + cell("B{0}", "{2}", "str") + "</row>"
GOOD = (ROW.format(1, "city", "zip") + ROW.format(2, "Voss", "5700")).encode()
SLIDE = b'<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>%b</a:t></a:r></a:p></p:sld>'


def _slides() -> bytes:
    members = {f"ppt/slides/slide{n}.xml": SLIDE % f"slide {n}".encode() for n in (1, 2, 3)}
    return spoiled(made.archive({"ppt/presentation.xml": b"<p/>", **members}), "ppt/slides/slide2.xml")


def _book() -> bytes:
    pages = {f"{n}.html": f"<p>chapter {n}</p>".encode() * 3 for n in (1, 2, 3)}
    items = b"".join(f'<item id="i{n}" href="{n}.html"/><itemref idref="i{n}"/>'.encode() for n in (1, 2, 3))
    container = b'<c><rootfile full-path="b.opf"/></c>'
    return spoiled(made.archive({"META-INF/container.xml": container, "b.opf": b"<p>" + items + b"</p>", **pages}), "2.html")


def _word() -> bytes:
    body = f'<w:document xmlns:w="{made.WORDS}"><w:body><w:p><w:r><w:t>the body</w:t></w:r></w:p></w:body></w:document>'.encode()
    return made.archive({"word/document.xml": body, "word/footnotes.xml": b"<w:footnotes"})


def _pdf() -> bytes:
    whole = made.pdf(zlib.compress(made.SHOWN), pages=3)
    return whole.replace(b"4 0 obj\n<</Type/Page/Parent 2 0 R", b"4 0 obj\n<</Type/Page/Parent 99 1 R/Broken[", 1)


DAMAGED: dict[str, tuple[Callable[[], bytes], list[str], str]] = {
    "a sheet.xlsx": (lambda: made.workbook(GOOD, GOOD[:-9], GOOD), ["city: Voss; zip: 5700"] * 2, "sheet 2 (B) cannot be read"),
    "a slide.pptx": (_slides, ["slide 1", "slide 3"], "slide 2 cannot be read"),
    "a chapter.epub": (_book, ["chapter 1 chapter 1 chapter 1", "chapter 3 chapter 3 chapter 3"], "chapter 2 cannot be read"),
    "notes.docx": (_word, ["the body"], "footnotes.xml cannot be read"),
    "a page.pdf": (_pdf, ["all work and no play"] * 2, "page 2 "),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_part_of_a_document_is_left_out_with_a_word(tmp_path: Path, name: str) -> None:
    """A sheet, a slide, a chapter, a page, the notes of a text: what stands before and behind it is read."""
    make, wanted, told = DAMAGED[name]
    (tmp_path / name).write_bytes(make())
    texts, notes = read(tmp_path / name)
    assert [text for text in texts if text.strip()][: len(wanted)] == wanted
    assert any(note.startswith(told) for note in notes), notes


def test_cells_are_read_where_they_are_however_far_apart(tmp_path: Path) -> None:
    """A stray cell in the last corner, a million rows without a cell, texts that are shared, dates, truth, errors, rows without a number."""
    cells = cell("A1", "0", "s") + cell("B1", "1", "s") + cell("C1", "2", "s")
    dated = cell("A2", "46143", style="1") + cell("B2", "0.75", style="2") + cell("C2", "1.5", style="3")
    odd = cell("A3", "1", "b") + cell("B3", "#DIV/0!", "e") + cell("C3", "99999999", style="1") + "<c><v>7</v></c>"
    empty = "".join(f'<row r="{n}"/>' for n in range(4, 50_000))
    last = f'<row r="1048576">{cell("XFD1048576", "42")}</row>'
    (tmp_path / "w.xlsx").write_bytes(
        made.workbook(
            f'<row r="1">{cells}</row><row r="2">{dated}</row><row>{odd}</row>{empty}{last}'.encode(),
            members={
                "xl/sharedStrings.xml": "<sst><si><t>day</t></si><si><r><t>ti</t></r><r><t>me</t></r></si>"
                "<si><t>東京</t><rPh><t>とう</t></rPh></si></sst>".encode(),
                "xl/styles.xml": b'<s><numFmts><numFmt numFmtId="170" formatCode="[h]:mm"/></numFmts>'
                b'<cellStyleXfs><xf numFmtId="1"/></cellStyleXfs>'
                b'<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="21"/><xf numFmtId="170"/></cellXfs></s>',
                "xl/media/image1.png": bytes(4_000_000),  # never unpacked
            },
        )
    )
    texts, _ = read(tmp_path / "w.xlsx")
    assert texts == [
        "day: 2026-05-01; time: 18:00:00; 東京: 36:00:00\nday: True; time: #DIV/0!; 東京: 99999999; column 4: 7\ncolumn 16384: 42"
    ]


def test_an_open_workbook_is_read_by_its_cells(tmp_path: Path) -> None:
    """Repeated cells and rows, empty ones without end, a hidden sheet, comments, dates and numbers."""
    space = 'xmlns:t="t" xmlns:o="o" xmlns:x="x" xmlns:s="s"'
    styles = '<o:automatic-styles><s:style s:name="ta2" s:family="table"><s:table-properties t:display="false"/></s:style></o:automatic-styles>'
    word, number = '<t:table-cell o:value-type="string"{1}><x:p>{0}</x:p></t:table-cell>', '<t:table-cell o:value-type="float" o:value="{0}"/>'
    commented = '<t:table-cell o:value-type="string"><o:annotation><x:p>EVIL</x:p></o:annotation><x:p>Voss</x:p><x:p>west</x:p></t:table-cell>'
    day = '<t:table-cell o:value-type="date" o:date-value="2026-05-01"><x:p>1. Mai</x:p></t:table-cell>'
    blank = '<t:table-cell t:number-columns-repeated="16000"/>'
    rows = [
        f"<t:table-row>{word.format('city', '')}{word.format('n', '')}{word.format('day', '')}{blank}</t:table-row>",
        f'<t:table-row t:number-rows-repeated="1000000">{blank}</t:table-row>',
        f"<t:table-row>{commented}{number.format('5.0')}{day}</t:table-row>",
        f'<t:table-row t:number-rows-repeated="2">{word.format("x", " t:number-columns-repeated=" + chr(34) + "2" + chr(34))}</t:table-row>',
    ]
    sheets = f'<t:table t:name="A">{"".join(rows)}</t:table><t:table t:name="H" t:style-name="ta2">{rows[0]}</t:table>'
    sheets += f'<t:table t:name="C">{rows[0]}{rows[2]}</t:table>'
    content = f"<o:document {space}>{styles}<o:body>{sheets}</o:body></o:document>"
    (tmp_path / "w.ods").write_bytes(made.archive({"content.xml": content.encode()}))
    texts, notes = read(tmp_path / "w.ods")
    assert texts == ["city: Voss west; n: 5; day: 2026-05-01\ncity: x; n: x\ncity: x; n: x", "city: Voss west; n: 5; day: 2026-05-01"]
    assert notes == ["hidden sheets were left out: H"]
