"""What comes out of each kind of file: encodings, hidden text, tables, mail, office files, books."""

import base64
import zipfile
import zlib
from pathlib import Path

import pytest

from memgpt_agent.documents import Content, DocumentFile, DocumentReader, Limits, find_files, load_documents
from memgpt_agent.documents.encodings import decode
from memgpt_agent.errors import DocumentError
from tests.documents import made


def text_of(path: Path) -> str:
    """All that is read of a file."""
    return "\n".join(passage.text for passage in load_documents(path))


def read(file: DocumentFile) -> tuple[list[str], list[str]]:
    """The texts of a file's sections, and what is said of its reading."""
    with DocumentReader() as reader:
        content = Content(file, reader)
        return [section.text for section in content.sections()], content.notes


SAYINGS = {
    "cp1252": ["Die Größe beträgt fünf Meter.", "Ça va très bien, l’été dernier nous étions à Orléans.", "Åse bor på Østre gate i Tromsø.",
               "Voilà, die Müller-Straße à la carte"],
    "cp1251": ["Договор заканчивается в мае.", "Встреча в среду"],
    "koi8_r": ["Договор заканчивается в мае. Оплата вперёд."],
    "cp932": ["会議は水曜日の午後三時からです。", "私は東京に住んでいます。"],
    "euc_jp": ["会議は水曜日の午後三時からです。"],
    "gb18030": ["会议在星期三下午三点举行,请带上您的护照。"],
    "big5": ["會議在星期三下午三點舉行,請帶上您的護照。"],
    "cp949": ["회의는 수요일 오후 세 시에 시작합니다."],
    "cp1250": ["Dobrý den, přijďte ve středu.", "Spotkanie w środę o trzeciej, proszę wziąć paszport."],
    "cp1253": ["Η συνάντηση είναι την Τετάρτη."],
    "cp1255": ["הפגישה ביום רביעי בשעה שלוש"],
    "cp1254": ["Toplantı çarşamba günü saat üçte başlıyor."],
    "utf-16-le": ["an ordinary sentence", "Встреча в среду"],
    "utf-16-be": ["an ordinary sentence"],
    "utf-32-le": ["an ordinary sentence"],
    "utf-16": ["grüß dich"],
    "utf-8-sig": ["grüß dich"],
}


@pytest.mark.parametrize(("encoding", "saying"), [(encoding, saying) for encoding, sayings in SAYINGS.items() for saying in sayings])
def test_texts_in_older_encodings_are_read(encoding: str, saying: str) -> None:
    """One short sentence is enough, and so is a long text; what was guessed is said."""
    for text in (saying, f"{saying}\n" * 50):
        found = decode(text.encode(encoding), "a.txt")
        assert found.text == text
        assert ("read as" in found.note) == (encoding not in {"utf-16", "utf-8-sig"})


def test_one_bad_byte_does_not_change_the_encoding_of_the_rest() -> None:
    """A log in UTF-8 with a byte of something else stays UTF-8; the place is told."""
    found = decode("größer\n".encode() * 40 + b"\xff", "a.log")
    assert found.text == "größer\n" * 40 + "\ufffd"
    assert found.note == "1 place is not valid UTF-8 and was replaced"


@pytest.mark.parametrize("data", [bytes(range(256)) * 4, b"\x00\x01\x02" * 99, bytes(range(128, 256)) * 9])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    """Whatever encodings could make of it."""
    with pytest.raises(DocumentError, match="is not (a text file|text in any known encoding)"):
        decode(data, "a.txt")


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("<p hidden>EVIL</p>", "good"), ('<div aria-hidden="true"><b>EVIL</b></div>', "good"), ('<p style="DISPLAY : none">EVIL</p>', "good"),
        ('<p style="visibility:hidden">EVIL</p>', "good"), ('<span style="font-size:0px">EVIL</span>', "good"), ("<!-- EVIL -->", "good"),
        ('<div style="height:0;overflow:hidden">EVIL</div>', "good"), ('<i style="opacity: 0">EVIL</i>', "good"),
        ("<dialog>EVIL</dialog>", "good"),
        ("<template><p>EVIL</p></template>", "good"), ("<noscript>EVIL</noscript>", "good"), ("<script>if (a</b) EVIL</script>", "good"),
        ("<style>.x, #y {display:none}</style><p class='w x'>EVIL</p><p id=y>EVIL</p>", "good"), ("<p hidden>EVIL<p>fine", "fine good"),
        ("<ul><li hidden>EVIL<li>fine</ul>", "fine good"), ("<table><tr><td hidden>EVIL<td>fine</table>", "fine good"),
        ("<div/ hidden>EVIL</div>", "good"),
        ("<img hidden alt=x>", "good"), ("<div hidden><br><img><p>EVIL</div>", "good"),
        ("</p></div></span>", "good"), ("<div hidden></span>EVIL</div>", "good"),
    ],
)  # fmt: skip
def test_what_a_page_hides_is_no_text(tmp_path: Path, hidden: str, shown: str) -> None:
    """By attribute, by style, by the page's own style sheet, in elements that are never shown; what follows is shown again."""
    (tmp_path / "p.html").write_text(f"<body>{hidden} <p>good</p></body>")
    assert " ".join(text_of(tmp_path / "p.html").split()) == shown


def test_a_page_is_read_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    """Not in the likeliest."""
    (tmp_path / "p.html").write_bytes('<meta charset="windows-1251"><p>Привет'.encode("cp1251"))
    assert text_of(tmp_path / "p.html").strip() == "Привет"


@pytest.mark.parametrize(
    ("name", "table", "found"),
    [
        ("a.csv", "Export of 1 May\nby Ann, Oslo\n\nid;city;note\n1;Oslo;x\n2;Bergen;y\n",
         ["Export of 1 May\nby Ann, Oslo", "id: 1; city: Oslo; note: x\nid: 2; city: Bergen; note: y"]),
        ("b.tsv", "id\tprice, net\n1\t2,50\n2\t3,50\n", ["id: 1; price, net: 2,50\nid: 2; price, net: 3,50"]),
        ("c.csv", "id,city\n1,Oslo,north\n2,Bergen,west\n", ["id: 1; city: Oslo; column 3: north\nid: 2; city: Bergen; column 3: west"]),
        ("d.csv", "id,city,zip\n1,Oslo\n2,Bergen\n3,Voss,5700\n", ["id: 1; city: Oslo\nid: 2; city: Bergen\nid: 3; city: Voss; zip: 5700"]),
        ("e.csv", "1,2\n3,4\n", ["column 1: 1; column 2: 2\ncolumn 1: 3; column 2: 4"]),
        ("f.csv", "name\nAnna, Bert\nCarla\n", ["name: Anna; column 2:  Bert\nname: Carla"]),
        ("g.csv", "Report;;\nid;city;n\n1;Oslo;5\n2;Voss;6\n", ["Report", "id: 1; city: Oslo; n: 5\nid: 2; city: Voss; n: 6"]),
        ("h.csv", "id,city\n", ["id, city"]),
        ("i.csv", "id,city,fax\n1,Oslo,\n2,Voss,\n", ["id: 1; city: Oslo\nid: 2; city: Voss", "fax"]),
    ],
)  # fmt: skip
def test_no_column_of_a_table_is_lost(tmp_path: Path, name: str, table: str, found: list[str]) -> None:
    """Lines above the header, other delimiters, rows that are longer or shorter than it, no header at all."""
    (tmp_path / name).write_text(table)
    assert [passage.text for passage in load_documents(tmp_path / name)] == found


def test_a_workbook_is_read_sheet_by_sheet(tmp_path: Path) -> None:
    """A hidden sheet is left out with a word."""
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>{1}</t></is></c><c r="B{0}" t="inlineStr"><is><t>{2}</t></is></c></row>'
    (tmp_path / "w.xlsx").write_bytes(made.workbook((row.format(1, "city", "zip") + row.format(2, "Voss", "5700")).encode()))
    (passage,) = load_documents(tmp_path / "w.xlsx")
    assert (passage.text, passage.source, passage.title) == ("city: Voss; zip: 5700", "w.xlsx, sheet 1", "A")
    assert read(find_files(tmp_path)[0])[1] == ["hidden sheets were left out: B"]


def test_a_word_document_is_read_with_tables_and_notes_and_without_what_it_hides(tmp_path: Path) -> None:
    """Deleted and hidden text, fields' codes and the second form of a drawing are not part of it."""
    body = (
        "<w:p><w:r><w:t>Shown</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>EVIL</w:t></w:r>"
        "<w:r><w:t xml:space='preserve'> again</w:t></w:r></w:p>"
        "<w:p><w:del><w:r><w:delText>EVIL</w:delText></w:r></w:del><w:r><w:instrText>EVIL</w:instrText></w:r></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Pump</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>410</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    document = f'<w:document xmlns:w="{made.WORDS}"><w:body>{body}</w:body></w:document>'
    with zipfile.ZipFile(tmp_path / "w.docx", "w") as file:
        file.writestr("word/document.xml", document)
        file.writestr("word/footer1.xml", f'<w:ftr xmlns:w="{made.WORDS}"><w:p><w:r><w:t>page foot</w:t></w:r></w:p></w:ftr>')
    assert text_of(tmp_path / "w.docx").split("\n") == ["Shown again", "", "Pump | 410", "page foot"]


def test_slides_texts_and_books_are_read_in_their_order(tmp_path: Path) -> None:
    """A hidden slide, a comment and a tracked change are left out; a chapter stands where the spine has it."""
    slide = '<p:sld xmlns:p="p" xmlns:a="a"{0}><a:p><a:r><a:t>{1}</a:t></a:r></a:p></p:sld>'
    relations = "".join(f'<Relationship Id="r{n}" Type="x/slide" Target="slides/slide{n}.xml"/>' for n in (1, 2, 3))
    files = {
        "s.pptx": {
            "ppt/presentation.xml": '<p xmlns:r="r"><sldId id="256" r:id="r2"/><sldId id="257" r:id="r1"/><sldId id="258" r:id="r3"/></p>',
            "ppt/_rels/presentation.xml.rels": f"<Relationships>{relations}</Relationships>",
            "ppt/slides/slide1.xml": slide.format("", "second"),
            "ppt/slides/slide2.xml": slide.format("", "first"), "ppt/slides/slide3.xml": slide.format(' show="0"', "EVIL"),
        },
        "t.odt": {
            "content.xml": '<c xmlns:t="t"><t:tracked-changes><t:p>EVIL</t:p></t:tracked-changes><t:h>Head</t:h><t:p>one<t:s t:c="2"/>two'
            "<annotation>EVIL</annotation></t:p></c>",
        },
        "b.epub": {
            "META-INF/container.xml": '<c><rootfile full-path="in/b.opf"/></c>', "in/b%2c.html": "<p>first chapter",
            "in/a.html": "<p>second chapter",
            "in/b.opf": '<p><item id="a" href="a.html"/><item id="b" href="b%252c.html"/><itemref idref="b"/><itemref idref="a"/></p>',
        },
    }  # fmt: skip
    for name, members in files.items():
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            for member, data in members.items():
                file.writestr(member, data)
    assert [(passage.text, passage.source) for passage in load_documents([tmp_path / name for name in files])] == [
        ("first", "s.pptx, slide 1"), ("second", "s.pptx, slide 2"), ("Head\none  two", "t.odt, lines 1-2"),
        ("first chapter", "b.epub, chapter 1"), ("second chapter", "b.epub, chapter 2"),
    ]  # fmt: skip


def test_a_message_is_read_with_its_attachments(tmp_path: Path) -> None:
    """Encoded headers, a body in another encoding, attachments of kinds that are read, a message within; the rest is told."""
    inner = b"From: b@example.org\nSubject: inner\nContent-Type: text/html\n\n<p>within</p><p hidden>EVIL</p>\n"
    parts = [
        b"Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes("Привет".encode("koi8_r")),
        b'Content-Disposition: attachment; filename="t.csv"\n\nid,city\n1,Voss\n', b"Content-Type: message/rfc822\n\n" + inner,
        b'Content-Disposition: attachment; filename="../../p.png"\n\nx', b'Content-Disposition: attachment; filename="d.docx"\n\nno archive',
    ]  # fmt: skip
    body = b"".join(b"--x\n" + part + b"\n" for part in parts) + b"--x--\n"
    head = b'From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\nContent-Type: multipart/mixed; boundary="x"\n\n'
    (tmp_path / "m.eml").write_bytes(head + body)
    sections, notes = read(find_files(tmp_path)[0])
    assert sections[0] == "From: Jürgen <j@example.org>\nSubject: Grüße\n\nПривет"
    assert [text.split("\n")[0] for text in sections[1:]] == ["Attachment t.csv:", "Attachment message.eml:"]
    assert "id: 1; city: Voss" in sections[1]
    assert "within" in sections[2]
    assert "EVIL" not in sections[2]
    assert [note.partition(" is ")[0].partition(" cannot ")[0] for note in notes] == ["the attachment 'p.png'", "the attachment 'd.docx'"]


def test_a_rich_text_and_a_file_without_a_suffix_are_read(tmp_path: Path) -> None:
    """The latter where it is named."""
    (tmp_path / "r.rtf").write_bytes(rb"{\rtf1\ansi Gr\'fc\'dfe{\*\generator EVIL;}}")
    (tmp_path / "noext").write_text("plain")
    assert [text_of(tmp_path / name) for name in ("r.rtf", "noext")] == ["Grüße", "plain"]


def test_pages_without_text_are_told(tmp_path: Path) -> None:
    """A PDF of which some pages were scanned loads the rest."""
    from pypdf import PdfReader, PdfWriter

    (tmp_path / "one.pdf").write_bytes(made.pdf(zlib.compress(made.SHOWN)))
    writer = PdfWriter()
    (page,) = PdfReader(tmp_path / "one.pdf").pages
    writer.add_page(page)
    for _ in range(3):
        writer.add_blank_page(99, 99)
    writer.write(tmp_path / "some.pdf")
    (tmp_path / "one.pdf").unlink()
    sections, notes = read(find_files(tmp_path)[0])
    assert sections[0] == "all work and no play"
    assert notes == ["pages 2-4 of 4 hold no text; if they were scanned, put them through text recognition (OCR) first"]


def test_a_long_sheet_counts_as_one_sheet(tmp_path: Path) -> None:
    """However many sections its rows make: the limit is on sheets, and a sheet of some thousand rows is none too many."""
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>the price of lamp number {0} was asked again</t></is></c></row>'
    sheet = "".join(row.format(number) for number in range(1, 3_001))
    (tmp_path / "w.xlsx").write_bytes(made.workbook(sheet.encode()))
    (file,) = find_files(tmp_path / "w.xlsx", limits=Limits(parts=1))
    with DocumentReader() as reader:
        sections = list(Content(file, reader).sections())
    assert len(sections) > 1
    assert "lamp number 3000" in sections[-1].text
