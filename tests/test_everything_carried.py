"""An agent that has a bit of everything goes into one file and comes back whole, twice."""

from pathlib import Path

from memgpt_agent import MemGPTAgent, Settings
from memgpt_agent.agent_file import export_agent, import_agents
from memgpt_agent.documents import find_files
from memgpt_agent.testing import ScriptedModel, call, say
from memgpt_agent.tools.rules import RequiresApprovalRule
from tests.seen import memory_shown


def test_files_tasks_rules_tags_and_sleep_are_carried(tmp_path: Path) -> None:
    """Groups of tools, rules and tags come back with the agent; exported again the file is the same."""
    here, there = Settings(home=tmp_path / "here"), Settings(home=tmp_path / "there")
    (tmp_path / "ferry.md").write_text("# Ferry\n\nIt leaves at nine.\n")
    script = [call("task_add", title="Book the ferry"), call("open_file", name="ferry.md"), say("Booked.")]
    with MemGPTAgent(
        llm_client=ScriptedModel(script), sleep_model=ScriptedModel([call("memory_finish_edits")]), agent_id="ann", settings=here,
        tools=["files", "tasks"], tags=["crew"], rules=[RequiresApprovalRule("archival_memory_insert")],
    ) as agent:  # fmt: skip
        list(agent.memory.files.load(find_files(tmp_path / "ferry.md")))
        assert agent.step("Book it.").message == "Booked."
        agent.sleep()
    export_agent("ann", tmp_path / "one.json", settings=here)
    (imported,) = import_agents(tmp_path / "one.json", settings=there)
    assert imported.not_carried == []
    export_agent("ann", tmp_path / "two.json", settings=there)
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    script = [call("archival_memory_insert", content="x")]
    with MemGPTAgent(llm_client=ScriptedModel(script), agent_id="ann", settings=there) as agent:
        assert {"open_file", "task_add"} <= set(agent.tools)
        assert [record.name for record in agent.memory.files.records()] == ["ferry.md"]
        assert agent.step("Keep x.").approval is not None
        model = agent._model
        assert isinstance(model, ScriptedModel)
        seen = memory_shown(model.calls[0])
        assert "It leaves at nine." in seen
        assert "Book the ferry" in seen
