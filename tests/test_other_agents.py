"""Agents that write to each other: answers that come back, letters that wait, groups by tag, talk that ends."""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from memgpt_agent import MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.graph.builder import create_graph
from memgpt_agent.memory.waking import Inbox
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, say
from memgpt_agent.tools.groups import with_groups
from memgpt_agent.tools.profiles import MEMGPT


class Cast(ScriptedModel):
    """One model for several agents: each has a script of its own, found by its persona."""

    parts: dict[str, list[Any]] = {}  # noqa: RUF012  a field of the model

    def _next(self, messages: list[BaseMessage], **kwargs: Any) -> AIMessage:
        self.calls.append(list(messages))
        who = next(name for name in self.parts if f"I am {name}." in messages[0].text)
        line = self.parts[who].pop(0)
        if not isinstance(line, AIMessage):
            line = line(messages)
        return line.model_copy(update={"id": None})  # type: ignore[no-any-return]


def cast(
    home: Path, parts: Mapping[str, Sequence[Any]], tags: dict[str, Sequence[str]] | None = None, **chosen: Any
) -> list[MemGPTAgent]:
    """Agents on the same files and one model."""
    model = Cast(parts={name: list(lines) for name, lines in parts.items()})
    settings = Settings(home=home, **chosen)
    first = MemGPTAgent(
        llm_client=model, agent_id=next(iter(parts)), persona=f"I am {next(iter(parts))}.", tools=["agents"], embedding=HashingEmbedder(),
        settings=settings, tags=(tags or {}).get(next(iter(parts)), ()),
    )  # fmt: skip
    checkpointer: Any = first.graph.checkpointer
    others = [
        MemGPTAgent(
            llm_client=model,
            agent_id=name,
            persona=f"I am {name}.",
            tools=["agents"],
            store=first.memory.store,
            checkpointer=checkpointer,
            settings=settings,
            tags=(tags or {}).get(name, ()),  # type: ignore[arg-type]
        )
        for name in list(parts)[1:]
    ]
    return [first, *others]


def ask(who: str, text: str, **more: Any) -> AIMessage:
    """Write to another agent."""
    return call("send_message_to_agent", agent_id=who, message=text, request_heartbeat=True, **more)


def test_the_last_text_of_the_other_agent_comes_back(tmp_path: Path) -> None:
    """Marked as another's, read once by the other, and remembered by both."""
    seen: list[str] = []

    def answer(messages: list[BaseMessage]) -> AIMessage:
        seen.append(messages[-1].text)
        return say("The ferry leaves at nine.")

    ann, ben = cast(tmp_path, {"ann": [ask("ben", "When does the ferry leave?"), say("At nine.")], "ben": [answer]})
    response = ann.step("When is the ferry?")
    assert response.message == "At nine."
    assert response.tool_calls[0]["result"].startswith('<outside source="agent ben">\nThe ferry leaves at nine.')
    assert '"type": "agent_message"' in seen[0]
    assert '"from": "ann"' in seen[0]
    assert [m.text for m in ben.messages()] == ["When does the ferry leave?", "The ferry leaves at nine."]
    assert Inbox(ann.memory.store, "ben").waiting() == []
    ann.close()


def test_an_agent_that_says_nothing_fails_or_is_not_there_gives_a_clear_error(tmp_path: Path) -> None:
    """The sender's model is told and goes on."""

    def broken(messages: list[BaseMessage]) -> AIMessage:
        raise RuntimeError("out of paper")

    script = [
        ask("nobody", "Hi."),
        ask("ann", "Hi."),
        ask("ben", "Hi."),
        ask("ben", "Hi again."),
        say("Nobody answers."),
    ]
    ann, _ben = cast(
        tmp_path,
        {
            "ann": script,
            "ben": [call("archival_memory_insert", content="Ann said hi."), broken, broken, broken, broken],
        },
    )
    response = ann.step("Ask around.")
    results = [c["result"] for c in response.tool_calls]
    assert results[0].startswith("There is no agent 'nobody'.")
    assert results[1].startswith("This is you.")
    assert results[2].startswith("ben read it and said nothing.")
    assert results[3].startswith("ben could not read it: ")
    assert response.message == "Nobody answers."
    ann.close()


def test_agents_that_answer_each_other_stop(tmp_path: Path) -> None:
    """Who waits for an answer is not waited for in turn; letters that lead to letters come to an end."""
    parts = {
        "ann": [ask("ben", "Ask me back."), say("Enough.")],
        "ben": [ask("ann", "You asked me to ask."), say("I may not wait for you.")],
    }
    ann, _ben = cast(tmp_path, parts)
    response = ann.step("Go.")
    assert "I may not wait for you." in response.tool_calls[0]["result"]
    ann.close()
    forever = {
        name: [ask(other, "And you?", wait=False), say("Sent.")] * 10
        for name, other in (("cleo", "dora"), ("dora", "cleo"))
    }
    cleo, dora = cast(tmp_path / "two", forever)
    cleo.step("Start.")
    deadline, letters = time.monotonic() + 60, 0
    while time.monotonic() < deadline:
        letters = sum(len(a.memory.store.search((a.agent_id, "inbox"), limit=99)) for a in (cleo, dora))
        failed = [
            m
            for a in (cleo, dora)
            for m in a.memory.recall.search("letters led to this one", roles=["tool"], limit=5)
            if m.failed
        ]
        if failed:
            break
        time.sleep(0.2)
    assert letters == 4
    cleo.close()


def test_a_letter_that_nobody_brings_is_read_when_the_agent_wakes(tmp_path: Path) -> None:
    """In the graph alone, as on a server: it waits, is told once behind the next event, and survives a restart."""

    def ben(*script: Any) -> MemGPTAgent:
        return MemGPTAgent(
            llm_client=ScriptedModel(script), agent_id="ben", tools=["agents"], embedding=HashingEmbedder(), settings=Settings(home=tmp_path)
        )  # fmt: skip

    with ben() as before:
        store = before.memory.store
        graph: Any = create_graph(
            model=ScriptedModel([ask("ben", "The roof leaks.", wait=False), say("Told.")]),
            store=store,
            profile=with_groups(MEMGPT, ["agents"]),
        )
        final = graph.invoke({"messages": [("user", "Tell Ben that the roof leaks.")]}, context={"agent_id": "ann"})
        assert next(m.text for m in final["messages"] if m.type == "tool") == "ben will read it when it wakes next."
        assert final["messages"][-1].text == "Told."
        assert [letter.text for letter in Inbox(store, "ben").waiting()] == ["The roof leaks."]
    with ben(say("Hello. I see the roof leaks."), say("Yes.")) as after:
        after.step("Good morning.")
        model: Any = after._model
        told = "\n".join(m.text for m in model.calls[-1])
        assert "Agent ann wrote to you at" in told
        assert "The roof leaks." in told
        after.step("Anything else?")
        assert "\n".join(m.text for m in model.calls[-1]).count("Agent ann wrote to you at") == 1
        assert Inbox(after.memory.store, "ben").waiting() == []


def test_all_agents_with_a_tag_are_written_to(tmp_path: Path) -> None:
    """Those with all the tags, never oneself; unknown tags are told."""
    seen: list[str] = []

    def note(messages: list[BaseMessage]) -> AIMessage:
        seen.append(messages[0].text.split("I am ")[1].split(".")[0])
        return say("Noted.")

    everyone = call("send_message_to_agents_with_tags", tags=["crew"], message="Sail at six.", request_heartbeat=True)
    nobody = call("send_message_to_agents_with_tags", tags=["crew", "captain"], message="Sail at six.")
    ann, *_ = cast(
        tmp_path, {"ann": [everyone, nobody, say("Sent.")], "ben": [note], "cleo": [note], "dora": [note]},
        {"ann": ["crew"], "ben": ["crew", "cook"], "cleo": ["crew"], "dora": ["guest"]},
    )  # fmt: skip
    response = ann.step("Tell the crew.")
    ann.close()
    assert sorted(response.tool_calls[0]["result"].split("\n")) == ["Sent to ben.", "Sent to cleo."]
    assert response.tool_calls[1]["result"].startswith("No other agent has the tags crew, captain.")
    assert sorted(seen) == ["ben", "cleo"]


def test_an_answer_that_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    """The sender goes on after as long as its settings say; the other agent finishes by itself."""
    asked = threading.Event()

    def slow(messages: list[BaseMessage]) -> AIMessage:
        assert asked.wait(60)
        return say("At last.")

    ann, ben = cast(
        tmp_path, {"ann": [ask("ben", "Quick!"), say("He is slow.")], "ben": [slow]}, letter_wait_seconds=0.5
    )
    response = ann.step("Ask Ben.")
    assert response.tool_calls[0]["result"].startswith("ben did not answer within 0.5 seconds.")
    asked.set()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and "At last." not in [m.text for m in ben.messages()]:
        time.sleep(0.2)
    assert "At last." in [m.text for m in ben.messages()]
    ann.close()
