"""Documents of several kinds, made by hand, for tests."""

import io
import zipfile

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHOWN = b"BT /F1 9 Tf (all work and no play) Tj ET\n"


def archive(members: dict[str, bytes]) -> bytes:
    """A zip archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return made.getvalue()


def word(body: bytes) -> bytes:
    """A Word document with this body."""
    return archive({"word/document.xml": f'<w:document xmlns:w="{WORDS}"><w:body>'.encode() + body + b"</w:body></w:document>"})


def pdf(content: bytes, filters: str = "/FlateDecode", pages: int = 1) -> bytes:
    """A PDF whose pages all show one stream."""
    kids = " ".join(f"{3 + n} 0 R" for n in range(pages))
    font = "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents {3 + pages} 0 R/Resources{font}>>".encode()
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {pages}/Kids[{kids}]>>".encode(), *[page] * pages]
    objects.append(f"<</Length {len(content)}/Filter {filters}>>stream\n".encode() + content + b"\nendstream")
    out, places = io.BytesIO(), []
    out.write(b"%PDF-1.5\n")
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    table = b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    start = out.tell()
    out.write(f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode() + table)
    out.write(f"trailer<</Size {len(places) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


def relation(kind: str, target: str, name: str = "r1") -> str:
    """A part's relation to another."""
    return f'<Relationship Id="{name}" Type="{RELATIONS}/{kind}" Target="{target}"/>'


def related(*relations: str) -> bytes:
    """A part's relations."""
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{"".join(relations)}</Relationships>'.encode()


def workbook(*sheets: bytes, head: bytes = b"", members: dict[str, bytes] | None = None) -> bytes:
    """An Excel workbook of these sheets, and a hidden one that shows what the first does."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    names = [f'<sheet name="{chr(65 + n)}" sheetId="{n + 1}" r:id="r{n + 1}"/>' for n in range(len(sheets))]
    relations = [relation("worksheet", f"worksheets/sheet{n + 1}.xml", f"r{n + 1}") for n in range(len(sheets))]
    relations += [relation(kind, f"{kind}.xml", kind) for kind in ("sharedStrings", "styles")]
    return archive({
        "[Content_Types].xml": b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": related(relation("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{RELATIONS}"><sheets>{"".join(names)}'.encode()
        + f'<sheet name="{chr(65 + len(sheets))}" sheetId="99" state="hidden" r:id="r1"/></sheets></workbook>'.encode(),
        "xl/_rels/workbook.xml.rels": related(*relations),
        **{f"xl/worksheets/sheet{n + 1}.xml": head + f'<worksheet xmlns="{main}"><sheetData>'.encode() + one + b"</sheetData></worksheet>"
           for n, one in enumerate(sheets)},
        **(members or {}),
    })  # fmt: skip
