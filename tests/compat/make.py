"""Makes the data folder and the export of which test_older_files.py opens a copy; run with the version whose files are wanted.

``python tests/compat/make.py FOLDER``. The folder of 28 November 2026 was made by the version before the packages ``store`` and ``turns``.
"""

import sys
from pathlib import Path

from memgpt_agent import FaissStore, MemGPTAgent, Settings
from memgpt_agent.agent_file import export_agent
from memgpt_agent.checkpoints import open_configured_checkpointer
from memgpt_agent.documents import find_files
from memgpt_agent.testing import Clock, HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools.rules import RequiresApprovalRule

HOME = Path(sys.argv[1])


def main() -> None:
    """Play two agents that use every tier, one of which waits for an approval."""
    settings, clock, embedding = Settings(home=HOME), Clock("2026-11-01T09:00:00+00:00"), HashingEmbedder()
    (HOME / "ferry.md").parent.mkdir(parents=True, exist_ok=True)
    (HOME / "ferry.md").write_text("# Ferry\n\nIt leaves at nine.\n")
    script = [
        call("archival_memory_insert", content="The lighthouse key hangs behind the clock.", tags=["house", "keys"]),
        call("memory_insert", label="human", new_string="Name: Alice Moreau."),
        call("task_add", title="Book the ferry", due="2026-12-01"),
        call("knowledge_insert", subject="Alice", relation="lives in", object="Bergen"),
        call("open_file", name="ferry.md"),
        say("All kept, Alice."),
        *(say(f"Reply {number}: " + "the harbour log has another line to be read. " * 40) for number in range(16)),
    ]
    with MemGPTAgent(
        llm_client=ScriptedModel(script), sleep_model=ScriptedModel([call("memory_finish_edits") for _ in range(20)]), agent_id="alice",
        settings=settings, clock=clock, embedding=embedding, profile="memgpt_v2", tools=["files", "tasks", "knowledge", "summaries", "agents"],
        tags=["crew"], context_window=8_192, user_id="u-1", history_turns=5, summarizer=ScriptedModel(["A summary."] * 200),
    ) as agent:  # fmt: skip
        list(agent.memory.files.load(find_files(HOME / "ferry.md")))
        agent.step("Hello, I am Alice Moreau; I live in Bergen.")
        agent.core_memory.share("human", "people")
        for number in range(16):
            clock.advance(hours=7)
            agent.step(f"Message {number}: " + "tell me of the harbour and of its log. " * 24, event_id=f"e-{number}")
        agent.sleep()
    with MemGPTAgent(
        llm_client=ScriptedModel([call("archival_memory_insert", content="x")]), agent_id="bob", settings=settings, clock=clock,
        embedding=embedding, rules=[RequiresApprovalRule("archival_memory_insert")],
    ) as agent:  # fmt: skip
        assert agent.step("Keep x.").approval is not None
    with (
        FaissStore(HOME / "memory.db", index={"dims": 64, "embed": embedding, "fields": ["$"]}) as store,
        open_configured_checkpointer(settings) as checkpointer,
    ):
        export_agent("alice", HOME / "alice.json", store=store, checkpointer=checkpointer)


main()
