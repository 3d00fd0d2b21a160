"""Files made to take all memory or time, or to hang whoever opens them: each is refused with a word, and the load goes on."""

import base64
import json
import os
import socket
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from memgpt_agent.documents import DocumentReader, Limits, Skipped, find_files, load_documents, read_sections
from memgpt_agent.errors import DocumentError
from tests.documents.made import SHOWN, WORDS, archive, pdf, word, workbook

MB = 1_000_000
QUICK = Limits(seconds=60, part_seconds=60, expanded_bytes=2 * MB, text_chars=2 * MB, memory_bytes=400 * MB, parts=300)
PARAGRAPHS = b"<w:p><w:r><w:t>all work</w:t></w:r></w:p>" * 60_000
MAIL = b'From: a@example.org\nContent-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nhello there\n'
ATTACHED = b'--x\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="a.docx"\n\n'

SHARED_TEXTS = b"<sst>" + b"<si><t>all work</t></si>" * 200_000 + b"</sst>"
BOMBS = {
    "bomb.docx": (lambda: word(PARAGRAPHS), "unpacks to more than 2,000,000 bytes"),
    "laughs.docx": (lambda: archive({"word/document.xml": b'<!DOCTYPE x [<!ENTITY a "ha">]><x>&a;</x>'}), "declares entities"),
    "bomb.odt": (lambda: archive({"content.xml": b"<c><p>" + b"all work " * 2 * MB + b"</p></c>"}), "unpacks to more than"),
    "bomb.pptx": (
        lambda: archive({"ppt/presentation.xml": b"<p/>", "ppt/slides/slide1.xml": b"<sld><p>" + b"<t>play</t>" * 200_000 + b"</p></sld>"}),
        "unpacks to more than",
    ),
    "bomb.epub": (
        lambda: archive({"META-INF/container.xml": b'<c><rootfile full-path="b.opf"/></c>', "one.html": b"<p>all work</p>" * 10_000,
                         "b.opf": b'<p><item id="i" href="one.html"/>' + b'<itemref idref="i"/>' * 100 + b"</p>"}),
        "unpacks to more than",
    ),
    "wide.xlsx": (lambda: workbook(b"<row>" + b'<c r="XFD1"><v>5</v></c>' * 90_000 + b"</row>"), "unpacks to more than"),
    "laughs.xlsx": (lambda: workbook(b"", head=b'<!DOCTYPE x [<!ENTITY a "ha">]>'), "declares entities"),
    "texts.xlsx": (
        lambda: workbook(b'<row><c t="s"><v>0</v></c></row>', members={"xl/sharedStrings.xml": SHARED_TEXTS}),
        "unpacks to more than",
    ),
    "repeated.ods": (
        lambda: archive({"content.xml": b'<c><table name="a"><table-row number-rows-repeated="1048576">'
                         b'<table-cell number-columns-repeated="16384">'
                         b"<p>work</p></table-cell></table-row></table></c>"}),
        "more than 2,000,000 characters",
    ),
    "long.pdf": (lambda: pdf(zlib.compress(SHOWN), pages=301), "has more than 300 pages"),
    "flate.pdf": (lambda: pdf(zlib.compress(zlib.compress(SHOWN * 2 * MB, 9), 9), "[/FlateDecode/FlateDecode]"), "cannot be read|too long"),
    "circle.pdf": (lambda: pdf(b"").replace(b"/Kids[3 0 R]", b"/Kids[2 0 R]"), "cannot be read"),
    "deep.ipynb": (lambda: b'{"cells":' + b"[" * 300_000 + b"]" * 300_000 + b"}", "nested too deeply"),
    "long.txt": (lambda: b"all work and no play\n" * 150_000, "more than 2,000,000 characters"),
    "text.csv": (lambda: b"a,b\n" + b"1,2\n" * 600_000, "more than 2,000,000 characters"),
    "zeros.txt": (lambda: bytes(2 * MB), "zero bytes"),
    "many.zip.docx": (lambda: archive({f"{n}": b"" for n in range(20_001)}), "holds 20,001 files"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_file_that_grows_is_refused_and_the_next_is_read(tmp_path: Path, name: str) -> None:
    """Each says what it exceeded; in a folder it is reported, and its neighbours are loaded."""
    made, reason = BOMBS[name]
    (tmp_path / name).write_bytes(made())
    (tmp_path / "zz.md").write_text("# The last\n\nAnd yet it is read.")
    skipped: list[Skipped] = []
    found = list(load_documents(tmp_path, limits=QUICK, on_skipped=skipped.append))
    assert [passage.name for passage in found if passage.name != name] == ["zz.md"]
    assert len(skipped) == 1
    with pytest.raises(DocumentError, match=reason):
        raise DocumentError(skipped[0].reason)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_memory_stays_within_its_bound(tmp_path: Path) -> None:
    """A Word document of a megabyte and a half that unpacks to hundreds: neither process takes more than a fraction of that."""
    (tmp_path / "bomb.docx").write_bytes(word(PARAGRAPHS * 100))
    code = (
        "import re, resource, sys\nfrom memgpt_agent.documents import Limits, load_documents\nfrom memgpt_agent.errors import DocumentError\n"
        "try: list(load_documents(sys.argv[1], limits=Limits(part_seconds=6)))\nexcept DocumentError as error: print(error)\n"
        # not its own maxrss: that begins with the memory of the process that started it
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024,"
        " resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "bomb.docx")], capture_output=True, text=True, check=True, timeout=300)
    told, peaks = done.stdout.strip().split("\n")
    assert any(words in told for words in ("unpacks to more than", "characters of text", "takes too long"))
    assert all(0 < int(peak) < 600 for peak in peaks.split()), peaks


def test_a_slow_file_is_given_up_in_time(tmp_path: Path) -> None:
    """An attribute of a hundred megabytes takes an XML parser minutes; the clock ends it, and says so."""
    body = f'<w:document xmlns:w="{WORDS}" a="'.encode() + b"a" * 150 * MB + b'"/>'
    (tmp_path / "slow.docx").write_bytes(archive({"word/document.xml": body}))
    with pytest.raises(DocumentError, match="takes too long to read: more than 1 seconds"):
        list(load_documents(tmp_path / "slow.docx", limits=Limits(part_seconds=1, seconds=1)))


def test_bombs_within_a_message_are_named_and_the_message_is_read(tmp_path: Path) -> None:
    """All attachments draw on one budget; what was said stands there all the same."""
    bomb = base64.encodebytes(word(PARAGRAPHS))
    (tmp_path / "mail.eml").write_bytes(MAIL + (ATTACHED + bomb) * 3 + b"--x--\n")
    (file,) = find_files(tmp_path / "mail.eml", limits=QUICK)
    (section,) = read_sections(file)
    assert "hello there" in section.text


def test_what_is_no_file_is_reported_and_never_opened(tmp_path: Path) -> None:
    """A pipe would wait for a writer for ever; sockets and devices are no documents either."""
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "good.txt").write_text("good")
    os.mkfifo(folder / "pipe.txt")
    (folder / "zero.md").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path may have a hundred characters only
        try:
            server.bind("sock.txt")
        finally:
            os.chdir(here)
        skipped: list[Skipped] = []
        assert [file.name for file in find_files(folder, on_skipped=skipped.append)] == ["good.txt"]
    assert [one.reason.rpartition(" is ")[2] for one in skipped] == ["a pipe, not a file.", "a socket, not a file."]
    for name, kind in (("pipe.txt", "a pipe"), ("zero.md", "a device"), ("sock.txt", "a socket")):
        with pytest.raises(DocumentError, match=f"{name} is {kind}"):
            find_files(folder / name)


def test_a_file_of_ten_gigabytes_without_content_is_refused_by_its_size(tmp_path: Path) -> None:
    """Nothing of it is read."""
    with (tmp_path / "sparse.txt").open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(DocumentError, match=r"has 10,737,418,240 bytes; at most 100,000,000 are read"):
        list(load_documents(tmp_path / "sparse.txt"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the end of the way is checked")
def test_a_folder_exchanged_for_a_link_after_the_search_leads_nowhere(tmp_path: Path) -> None:
    """Neither one within, nor the folder that was named, nor a file: what the link shows is not read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("a.txt", "b.txt"):
        (outside / name).write_text("a secret")
    for exchanged in ("tree/sub", "tree", "tree/sub/a.txt"):
        root = tmp_path / exchanged.replace("/", "-") / "tree"
        (root / "sub").mkdir(parents=True)
        (root / "sub" / "a.txt").write_text("mine")
        (root / "z.txt").write_text("mine too")
        files = find_files(root)
        place = root.parent / exchanged
        place.rename(tmp_path / "away")
        place.symlink_to(outside / "a.txt" if exchanged.endswith(".txt") else outside, target_is_directory=True)
        with pytest.raises(DocumentError, match="was replaced by a link"):
            list(read_sections(files[0]))
        (tmp_path / "away").rename(tmp_path / f"away-{exchanged.replace('/', '-')}")


def test_rules_that_cannot_be_read_or_take_for_ever_stop_nothing(tmp_path: Path) -> None:
    """A folder in place of a .gitignore, one of a million lines, one that is a pipe or a link: each is reported. Bad patterns cost no time."""
    cases = {
        "dir": lambda path: path.mkdir(), "long": lambda path: path.write_text("x\n" * 1_000_000), "pipe": os.mkfifo,
        "link": lambda path: path.symlink_to("/etc/hostname"), "slow": lambda path: path.write_text("*a" * 100 + "\n**/" * 100 + "b\n"),
    }  # fmt: skip
    for name, make in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        make(folder / ".gitignore")
        (folder / ("a" * 200 + ".txt")).write_text("read all the same")
    skipped: list[Skipped] = []
    assert len(find_files(tmp_path, on_skipped=skipped.append)) == 5
    assert [one.path.parent.name for one in skipped] == ["dir", "link", "long", "pipe"]


def test_a_tree_that_is_too_deep_or_too_wide_is_reported(tmp_path: Path) -> None:
    """What is within the bounds is found."""
    deep = tmp_path / "deep"
    (deep / "/".join("d" * 70)).mkdir(parents=True)
    (deep / "top.txt").write_text("top")
    (deep / "/".join("d" * 70) / "low.txt").write_text("low")
    skipped: list[Skipped] = []
    assert [file.name for file in find_files(deep, on_skipped=skipped.append)] == ["top.txt"]
    assert "more than 64 folders deep" in skipped[0].reason
    for n in range(20):
        (tmp_path / f"{n:02}.txt").write_text("x")
    skipped.clear()
    assert len(find_files(tmp_path, limits=Limits(folder_files=15), on_skipped=skipped.append)) == 15
    assert "holds more than 15 files" in skipped[0].reason


def test_a_strangers_module_beside_the_documents_is_not_run(tmp_path: Path) -> None:
    """A csv.py in the folder one stands in is a document, not a program."""
    (tmp_path / "csv.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    code = "from memgpt_agent.documents import load_documents\nprint([p.text for p in load_documents('t.csv')])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == ["a: 1; b: 2"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the environment of a process is read from /proc")
def test_the_parsers_process_gets_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment holds paths and languages, nothing else."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_PASSWORD", "hunter2")
    with DocumentReader() as reader:
        list(reader.parse(b"a,b\n1,2\n", Path("t.csv"), "csv"))
        assert reader.process_id is not None
        environment = Path(f"/proc/{reader.process_id}/environ").read_bytes()
    assert b"PATH=" in environment
    assert b"secret" not in environment
    assert b"hunter2" not in environment
