"""Loaded by the fork server before it forks: one turn in memory, so that a life is spent on talking, not on imports."""

from pathlib import Path
from tempfile import gettempdir

import faiss
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from benchmarks.faults_agent.talker import open_agent

LOADED = faiss.__version__, open_agent(Path(gettempdir()), InMemoryStore(), InMemorySaver()).step("w both").message
