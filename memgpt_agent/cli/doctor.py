"""`memgpt doctor`: what is configured, what works, and what to do about the rest."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from memgpt_agent.cli import options
from memgpt_agent.cli.terminal import Terminal, plain, terminal_of
from memgpt_agent.errors import MemGPTError, install_command

Status = Literal["ok", "note", "failed"]
"""``note``: it works without, and could be better; ``failed``: something an agent needs does not work."""


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    """What was looked at."""
    status: Status
    """How it is."""
    found: str
    """What is there."""
    advice: str = ""
    """What to do about it; empty if nothing is to be done."""


def all_checks(terminal: Terminal, *, ask: bool) -> Iterator[Check]:
    """Yield every finding; ``ask`` also sends the chat model one short message."""
    named: list[tuple[str, Callable[[], Check]]] = [
        ("versions", _versions),
        ("home", lambda: _home(terminal)),
        ("database", lambda: _backend(terminal)),
        ("privacy", lambda: _privacy(terminal)),
        ("store", lambda: _store(terminal)),
        ("embedding", lambda: _embedding(terminal, ask=ask)),
        ("tokens", _tokens),
        ("chat model", lambda: _chat_model(terminal, ask=ask)),
        ("local models", lambda: _local_models(terminal)),
    ]
    for name, check in named:
        try:
            yield check()
        except MemGPTError as error:
            yield Check(name, "failed", type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - whatever is broken on this machine is what is asked for
            yield Check(name, "failed", f"{type(error).__name__}: {error}", "Reinstall memgpt-agent; if that does not help, report it.")


def deep_checks(terminal: Terminal) -> Iterator[Check]:
    """Yield what is wrong with the data folder's files, or that nothing is; every byte is read."""
    from memgpt_agent.backups import check_home

    began, whole = time.perf_counter(), True
    for problem in check_home(terminal.settings):
        whole = False
        yield Check("files", "failed", problem.found, problem.advice)
    if whole:
        yield Check("files", "ok", f"every file of {terminal.settings.home} is whole, read in {time.perf_counter() - began:.1f} s")


def _versions() -> Check:
    names = ("memgpt-agent", "langgraph", "langchain-core", "faiss-cpu", "tiktoken")
    found = ", ".join(f"{name} {_version(name)}" for name in names)
    return Check("versions", "ok", f"Python {platform.python_version()}, {found}")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"


def _home(terminal: Terminal) -> Check:
    home = terminal.settings.home
    nearest = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        return Check("home", "failed", f"{home} cannot be written", "Set MEMGPT_HOME, or --home, to a folder of yours.")
    return Check("home", "ok", str(home) if home.exists() else f"{home} (made at the first chat)")


def _backend(terminal: Terminal) -> Check:
    from memgpt_agent.store import check_store_backend

    return Check("database", "ok", check_store_backend(terminal.settings.store_url))


def _privacy(terminal: Terminal) -> Check:
    """Say whether conversations leave this machine for a tracing service, and who else may read the data folder."""
    from memgpt_agent.private import is_traced

    settings = terminal.settings
    if settings.tracing != "off" and is_traced():
        return Check(
            "privacy", "note", "LangSmith's tracing is on: prompts, answers and memories are sent to it",
            "MEMGPT_TRACING=off stops it for memgpt; unset LANGSMITH_TRACING and LANGCHAIN_TRACING_V2 to stop it for all programs.",
        )  # fmt: skip
    home = settings.home
    if os.name == "posix" and home.exists() and home.stat().st_mode & 0o077:
        return Check("privacy", "note", f"others on this machine may look into {home}", f"chmod 700 {home}")
    return Check("privacy", "ok", "nothing is traced" + (", and the folder is yours alone" if home.exists() else ""))


def _store(terminal: Terminal) -> Check:
    from memgpt_agent.config import shown
    from memgpt_agent.memory.opening import open_configured_store

    agents = terminal.agents()
    url, number = shown(terminal.settings.store_url), f"{len(agents)} agent{'s' * (len(agents) != 1)}"
    if not agents:
        return Check("store", "ok", f"{url} ({number})")
    with open_configured_store(terminal.settings, searches=False) as store:
        sizes = store.sizes()
    return Check("store", "ok", f"{url} ({number}, {sizes.items:,} items, {sizes.bytes / 1e6:,.1f} MB)")


def _embedding(terminal: Terminal, *, ask: bool) -> Check:
    from memgpt_agent.embeddings import embedding_name, resolve_embedding
    from memgpt_agent.embeddings.minilm import InProcessEmbeddings

    embedding = resolve_embedding(terminal.settings.embedding)
    name = embedding_name(embedding)
    if not isinstance(embedding, InProcessEmbeddings) and not ask:
        return Check("embedding", "ok", f"{name} (not asked; --ask does)")
    began = time.perf_counter()
    dims = len(embedding.embed_query("hello"))
    return Check("embedding", "ok", f"{name}, {dims} dimensions, first text in {time.perf_counter() - began:.1f} s")


def _tokens() -> Check:
    from memgpt_agent.tokens.vocabulary import load_encoding

    encoding = load_encoding("o200k_base")
    return Check("tokens", "ok", f"tiktoken's {encoding.name} is here ({encoding.n_vocab:,} tokens)")


def _chat_model(terminal: Terminal, *, ask: bool) -> Check:
    from memgpt_agent.models.resolve import default_model_name, resolve_chat_model

    name = default_model_name(terminal.settings)
    model = resolve_chat_model(name, settings=terminal.settings)
    if not ask:
        return Check("chat model", "ok", f"{name} is configured (not asked; --ask does)")
    began = time.perf_counter()
    answer = model.invoke("Say: ready").text
    return Check("chat model", "ok", f"{name} answered {answer.strip()[:60]!r} in {time.perf_counter() - began:.1f} s")


def _local_models(terminal: Terminal) -> Check:
    from memgpt_agent.models.llama_library import installed
    from memgpt_agent.models.pull import list_models

    files: list[Path] = list_models(terminal.settings.models_folder)
    there = ", ".join(path.stem for path in files)
    if not (engine := installed()):
        return Check("local models", "note", there or "none", f"For a model in this process: {install_command('local')}")
    if not files:
        return Check("local models", "note", "none", "For a model in this process: memgpt model pull")
    return Check("local models", "ok", f"{engine}; {there}")


_SIGN: dict[Status, tuple[str, str]] = {"ok": ("ok    ", "green"), "note": ("note  ", "yellow"), "failed": ("FAILED", "red")}


def doctor(
    context: typer.Context,
    ask: Annotated[bool, typer.Option("--ask", help="Also send the chat model one short message (a provider may bill it).")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every file of the data folder and check it.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check what an agent needs on this machine. Exits with 1 if something necessary does not work."""
    terminal = terminal_of(context)
    found = [*all_checks(terminal, ask=ask), *(deep_checks(terminal) if deep else ())]
    if as_json:
        terminal.print_json([check.__dict__ for check in found])
    else:
        for check in found:
            sign, style = _SIGN[check.status]
            terminal.out.print(plain(sign, style), plain(f" {check.name}: {check.found}"), sep="", soft_wrap=True)
            if check.advice:
                terminal.say(f"       {check.advice}")
    if any(check.status == "failed" for check in found):
        raise typer.Exit(1)
