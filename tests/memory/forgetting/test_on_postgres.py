"""Forgetting where memory lies on Postgres and conversations in our own file."""

from memgpt_agent.store import open_store
from memgpt_agent.testing import HashingEmbedder, call, say
from tests.memory.forgetting.conftest import Left, Opened
from tests.store.servers import fresh_url

PLACE = "Wetherfold"


def test_it_is_gone_from_the_store_and_the_conversation(opened: Opened, left: Left) -> None:
    """No item of the store holds it, nor any file of the folder; the turn after it knows nothing."""
    import psycopg

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
        schema = url.rpartition("schema=")[2]
        with psycopg.connect(url.replace(f"&schema={schema}", "").replace(f"?schema={schema}", "")) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
            rows = [connection.execute(f'SELECT t::text FROM "{schema}"."{name}" t'.encode()).fetchall() for (name,) in tables]  # noqa: S608  names of our own
        assert len(tables) > 3
        assert PLACE.lower() not in str(rows).lower()
    assert left(PLACE) == {}
