"""Forgetting where memory lies on Postgres and conversations in our own file."""

import threading
from pathlib import Path

from memgpt_agent import MemGPTAgent, Settings, delete_agent
from memgpt_agent.store import open_store
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from tests.memory.forgetting.conftest import Left, Opened
from tests.store.servers import fresh_url

PLACE = "Wetherfold"


def everything_in(url: str) -> str:
    """All rows of all tables of a store's schema, as text."""
    import psycopg

    schema = url.rpartition("schema=")[2]
    with psycopg.connect(url.replace(f"&schema={schema}", "").replace(f"?schema={schema}", "")) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
        assert len(tables) > 3
        connection.execute("SET bytea_output = 'escape'")
        rows = [connection.execute(f'SELECT t::text FROM "{schema}"."{name}" t'.encode()).fetchall() for (name,) in tables]  # noqa: S608  names of our own
    return str(rows)


def test_it_is_gone_from_the_store_and_the_conversation(opened: Opened, left: Left) -> None:
    """No item of the store holds it, nor any file of the folder; the turn after it knows nothing."""
    url = fresh_url()
    edit = call("core_memory_append", label="human", content=f"In {PLACE}.\nLikes pears.", request_heartbeat=True)
    with (
        open_store(url, index={"embed": HashingEmbedder(), "dims": HashingEmbedder().dims, "fields": ["$"]}) as store,
        opened([edit, say("Noted."), say("Pears.")], store=store) as agent,
    ):
        agent.step(f"I live in {PLACE}")
        agent.tools.archival_memory_insert(f"The address is in {PLACE}")
        done = agent.forget(PLACE.lower()).erase()
        assert done.counts == {"message": 2, "passage": 1, "line": 1}
        assert agent.core_memory["human"] == "Likes pears."
        assert agent.step("What do I like?").message == "Pears."
        assert PLACE.lower() not in everything_in(url).lower()
    assert left(PLACE) == {}


def test_an_agents_name_goes_with_it(tmp_path: Path) -> None:
    """Also the names of its namespaces, and another agent that writes meanwhile loses nothing."""
    url = fresh_url()
    settings = Settings(home=tmp_path / "home", database_url=url)
    agents = {name: MemGPTAgent(agent_id=name, model=ScriptedModel([say("Yes.")] * 9), embedding=HashingEmbedder(), settings=settings)
              for name in (PLACE, "other")}  # fmt: skip
    with agents[PLACE] as agent:
        agent.step("Hello")
    with agents["other"] as other:
        writer = threading.Thread(target=lambda: [other.tools.archival_memory_insert(f"Thing {n}") for n in range(20)])
        writer.start()
        delete_agent(PLACE, settings)
        writer.join()
        assert len(other.memory.archival.search("Thing", limit=50)) == 20
        assert other.step("Hello").message == "Yes."
    assert PLACE.lower() not in everything_in(url).lower()
