"""Rules on tool calls and approval, end to end: what is offered, what is refused, what waits for a person, across a restart."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.types import Command, interrupt

from memgpt_agent import AgentResponse, MemGPTAgent
from memgpt_agent.config import Settings
from memgpt_agent.errors import ConfigurationError, NothingToDecide
from memgpt_agent.nodes.approval import MAX_ANSWERS
from memgpt_agent.prompts import INTERRUPTED
from memgpt_agent.testing import HashingEmbedder, ScriptedModel, call, calls, say
from memgpt_agent.tools.rules import (
    RULES,
    Called,
    ChildRule,
    ConditionalRule,
    ContinueRule,
    InitRule,
    MaxCountRule,
    ParentRule,
    RequiredBeforeExitRule,
    RequiresApprovalRule,
    Rulebook,
    TerminalRule,
    ToolRule,
    rules_from_data,
    rules_to_data,
)

NAMES = ["send_message", "look", "buy", "sell"]
done: list[str] = []


def look(what: str) -> str:
    """Look at something.

    Args:
        what: What to look at.
    """
    done.append(f"looked at {what}")
    return "cheap" if what == "tea" else "dear"


def buy(what: str) -> str:
    """Buy something.

    Args:
        what: What to buy.
    """
    done.append(f"bought {what}")
    return f"You have {what} now."


def sell(what: str) -> str:
    """Sell something.

    Args:
        what: What to sell.
    """
    done.append(f"sold {what}")
    return "Sold."


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done."""
    done.clear()


def trader(
    home: Path, script: Sequence[Any], rules: Sequence[ToolRule] = (), tools: Sequence[Any] = (look, buy, sell)
) -> MemGPTAgent:
    """An agent that can look, buy and sell."""
    return MemGPTAgent(
        llm_client=ScriptedModel(list(script)),
        tools=tools,
        rules=rules,
        agent_id="ann",
        embedding=HashingEmbedder(),
        settings=Settings(home=home),
    )


def model_of(agent: MemGPTAgent) -> ScriptedModel:
    """The scripted model."""
    model = agent._model  # pyright: ignore[reportPrivateUsage]
    assert isinstance(model, ScriptedModel)
    return model


def offered(agent: MemGPTAgent, nth: int) -> list[str]:
    """The names of the tools that the model was offered in a call."""
    return [tool["function"]["name"] for tool in model_of(agent).tools_offered[nth]]


@pytest.mark.parametrize(
    ("rules", "called", "may"),
    [
        ([], [], NAMES),
        ([InitRule("look")], [], ["look"]),
        ([InitRule("look"), InitRule("sell")], [], ["look", "sell"]),
        ([InitRule("look")], [Called("look", "x", True)], ["look"]),
        ([InitRule("look")], [Called("look", "x", False)], NAMES),
        ([ChildRule("look", ("buy", "sell"))], [Called("look", "x", False)], ["buy", "sell"]),
        ([ChildRule("look", ("buy",))], [Called("look", "x", False), Called("buy", "x", False)], NAMES),
        ([ParentRule("look", ("buy",))], [], ["send_message", "look", "sell"]),
        ([ParentRule("look", ("buy",))], [Called("look", "x", False)], NAMES),
        (
            [ParentRule("look", ("buy",))],
            [Called("look", "x", False), Called("sell", "", False)],
            ["send_message", "look", "sell"],
        ),
        ([ConditionalRule("look", {"cheap": "buy"}, "sell")], [Called("look", " cheap\n", False)], ["buy"]),
        ([ConditionalRule("look", {"cheap": "buy"}, "sell")], [Called("look", "dear", False)], ["sell"]),
        ([ConditionalRule("look", {"cheap": "buy"})], [Called("look", "dear", False)], NAMES),
        (
            [MaxCountRule("buy", 2)],
            [Called("buy", "", False), Called("buy", "", True)],
            ["send_message", "look", "sell"],
        ),
        ([RequiresApprovalRule("buy"), TerminalRule("sell"), ContinueRule("look")], [], NAMES),
    ],
)
def test_the_rules_say_what_may_be_called(rules: list[ToolRule], called: list[Called], may: list[str]) -> None:
    """Each kind by itself; a failed call does not open what follows it, but counts for the maximum."""
    assert Rulebook(rules, NAMES).allowed(NAMES, called)[0] == may


def test_rules_are_stored_as_data_and_read_back() -> None:
    """Every kind; an unknown kind or field is refused by name, as is a tool that is not there."""
    rules = [
        InitRule("look"), ChildRule("look", ("buy", "sell")), ParentRule("look", ("buy",)), ConditionalRule("look", {"cheap": "buy"}, "sell"),
        ContinueRule("look"), TerminalRule("sell"), MaxCountRule("buy", 3), RequiredBeforeExitRule("look"), RequiresApprovalRule("buy"),
        RequiresApprovalRule("sell", refuse_by_default=True),
    ]  # fmt: skip
    assert rules_from_data(rules_to_data(rules)) == rules
    assert {type(rule) for rule in rules} == set(RULES.values())
    with pytest.raises(ConfigurationError, match="no kind of rule 'never'"):
        rules_from_data([{"kind": "never", "tool": "buy"}])
    with pytest.raises(ConfigurationError, match="no field 'often'"):
        rules_from_data([{"kind": "max_count", "tool": "buy", "often": 2}])
    with pytest.raises(ConfigurationError, match="names the tool 'borrow'"):
        Rulebook([InitRule("borrow")], NAMES)
    with pytest.raises(ConfigurationError, match="above zero"):
        MaxCountRule("buy", 0)


def test_only_what_is_allowed_is_offered_and_the_rest_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The model is told the rules, is offered what fits them, and hears why where it tries something else."""
    script = [
        call("buy", what="tea"), call("look", what="tea", request_heartbeat=True), call("send_message", message="Shall I?"),
        call("buy", what="tea", request_heartbeat=True), say("Bought."),
    ]  # fmt: skip
    with trader(tmp_path, script, [InitRule("look"), ChildRule("look", ("buy", "sell"))]) as agent:
        response = agent.step("Get tea.")
        assert offered(agent, 0) == ["look"]
        assert offered(agent, 2) == ["buy", "sell"]
        assert "A turn begins with look." in model_of(agent).calls[0][0].text
    first, _, third, _, last = response.tool_calls
    assert first["failed"]
    assert first["result"] == "buy may not be called now. A turn begins with look. You may call: look."
    assert third["failed"]
    assert third["result"].startswith("send_message may not be called now. After look call buy or sell next.")
    assert (last["failed"], response.message) == (False, "Bought.")
    assert done == ["looked at tea", "bought tea"]


def test_a_continuing_tool_and_a_required_one_keep_a_turn_going(tmp_path: Path) -> None:
    """Another step comes after a continuing tool; a required one is asked for before the turn ends."""
    rules = [ContinueRule("buy"), RequiredBeforeExitRule("look")]
    with trader(tmp_path, [call("buy", what="tea"), say("Done."), call("look", what="tea")], rules) as agent:
        response = agent.step("Go.")
        assert response.message == "Done."
        assert "Before this turn ends, call look." in "\n".join(m.text for m in model_of(agent).calls[2])
        assert done == ["bought tea", "looked at tea"]


def test_plain_text_does_not_end_a_turn_that_lacks_a_required_tool(tmp_path: Path) -> None:
    """The text is the reply, and the agent is told what is missing."""
    with trader(tmp_path, ["Just text.", call("look", what="tea")], [RequiredBeforeExitRule("look")]) as agent:
        assert agent.step("Go.").message == "Just text."
        assert done == ["looked at tea"]


def test_a_terminal_tool_ends_the_turn_whatever_was_asked_for(tmp_path: Path) -> None:
    """A requested heartbeat does not count; a script of two lines is enough."""
    with trader(
        tmp_path,
        [say("Selling.", request_heartbeat=True), call("sell", what="tea", request_heartbeat=True)],
        [TerminalRule("sell")],
    ) as agent:
        assert agent.step("Go.").message == "Selling."
        assert done == ["sold tea"]


def test_a_call_waits_for_a_person_also_across_a_restart(tmp_path: Path) -> None:
    """Approved, it is carried out once; a second approval changes nothing and says so."""
    rules = [RequiresApprovalRule("buy")]
    with trader(
        tmp_path, [call("buy", what="tea", thinking="We are out of tea.", request_heartbeat=True)], rules
    ) as agent:
        response = agent.step("Get tea.")
        assert response.approval is not None
        assert (response.approval.tool, response.approval.arguments, response.approval.thinking) == (
            "buy",
            {"what": "tea"},
            "We are out of tea.",
        )
        assert (response.message, done) == ("", [])
    with trader(tmp_path, [say("It is here.")]) as agent:
        waiting = agent.approval
        assert waiting is not None
        answer = agent.approve(waiting.call_id)
        assert answer.message == "It is here."
        assert done == ["bought tea"]
        with pytest.raises(NothingToDecide, match="No call"):
            agent.approve(waiting.call_id)
        assert done == ["bought tea"]


def test_a_call_is_edited_or_rejected_with_a_reason(tmp_path: Path) -> None:
    """The model is told of both; an edit is checked as any call is."""
    rules = [RequiresApprovalRule("buy"), MaxCountRule("buy", 2)]
    script = [
        call("buy", what="gold", request_heartbeat=True),
        call("buy", what="silver"),
        say("Then nothing."),
        call("buy", what="tin"),
        say("Yes."),
    ]
    with trader(tmp_path, script, rules) as agent:
        assert agent.step("Shop.").approval is not None
        edited = agent.edit({"what": "tea"})
        assert edited.approval is not None
        rejected = agent.reject("too dear")
        assert rejected.message == "Then nothing."
        seen = "\n".join(m.text for m in model_of(agent).calls[2])
        assert "A person changed the arguments of this call" in seen
        assert "A person decided against this call: too dear." in seen
        assert done == ["bought tea"]
        assert agent.step("Buy tin.").approval is not None
        wrong = agent.edit({"whatever": 1})
        assert wrong.message == "Yes."
        assert done == ["bought tea"]


async def test_every_decision_has_an_async_form(tmp_path: Path) -> None:
    """Approved, edited and rejected in an asyncio loop, as in sync code; what does not wait any more cannot be decided."""
    script = [
        call("buy", what="tea", request_heartbeat=True),
        call("buy", what="gold", request_heartbeat=True),
        call("buy", what="silver"),
        say("That was all."),
    ]
    async with trader(tmp_path, script, [RequiresApprovalRule("buy")]) as agent:
        assert await agent.aapproval() is None
        first = (await agent.astep("Shop.")).approval
        assert first is not None
        assert await agent.aapproval() == first
        with pytest.raises(NothingToDecide, match="Another call"):
            await agent.aapprove("some other call")
        second = (await agent.aapprove(first.call_id)).approval
        assert second is not None
        third = (await agent.aedit({"what": "milk"}, second.call_id)).approval
        assert third is not None
        assert (await agent.areject("too dear")).message == "That was all."
        seen = "\n".join(m.text for m in model_of(agent).calls[-1])
        assert "A person decided against this call: too dear." in seen
        assert done == ["bought tea", "bought milk"]
        for decision in (agent.aapprove(), agent.aedit({}, third.call_id), agent.areject()):
            with pytest.raises(NothingToDecide, match="No call"):
                await decision
        assert done == ["bought tea", "bought milk"]


async def test_a_decision_is_streamed_in_a_loop_as_anything_else(tmp_path: Path) -> None:
    """The events that come of it, then the response."""
    script = [call("buy", what="tea", request_heartbeat=True), say("It is here.")]
    async with trader(tmp_path, script, [RequiresApprovalRule("buy")]) as agent:
        await agent.astep("Shop.")
        events = [event async for event in agent.adecide({"type": "approve"})]
        assert [(e.type, e.name) for e in events if e.type in ("tool_call", "tool_result")] == [
            ("tool_result", "buy"),
            ("tool_call", "send_message"),
            ("tool_result", "send_message"),
        ]
        assert "".join(e.text for e in events if e.type == "delta") == "It is here."
        assert events[-1].response is not None
        assert events[-1].response.message == "It is here."


def test_a_turn_can_be_given_up_while_a_decision_is_carried_out(tmp_path: Path) -> None:
    """Also where its stream was left standing and is still held; the next message is answered."""
    script = [call("buy", what="tea", request_heartbeat=True), call("sell", what="tea"), say("All right.")]
    with trader(tmp_path, script, [RequiresApprovalRule("buy")]) as agent:
        agent.step("Get tea.")
        events = agent.decide({"type": "approve"})
        while next(events).type != "tool_call":
            pass
        agent.end_turn()
        assert agent.step("Leave it.").message == "All right."
        assert done == ["bought tea"]
        assert list(events) == []


async def test_of_two_decisions_at_once_one_counts(tmp_path: Path) -> None:
    """The other is told that no call waits; the tool is called once."""
    script = [call("buy", what="tea", request_heartbeat=True), say("It is here.")]
    async with trader(tmp_path, script, [RequiresApprovalRule("buy")]) as agent:
        await agent.astep("Shop.")
        one, other = await asyncio.gather(agent.aapprove(), agent.aapprove(), return_exceptions=True)
        assert {type(one), type(other)} == {AgentResponse, NothingToDecide}
        assert done == ["bought tea"]


async def test_a_decision_that_was_cancelled_can_be_taken_again(tmp_path: Path) -> None:
    """The call goes on waiting, and is carried out when it is approved again."""
    entered = asyncio.Event()

    async def order(what: str) -> str:
        """Order something.

        Args:
            what: What to order.
        """
        entered.set()
        await asyncio.sleep(0 if done else 60)
        return "Ordered."

    script = [call("order", what="tea", request_heartbeat=True), say("It is on its way.")]
    async with trader(tmp_path, script, [RequiresApprovalRule("order")], tools=[order]) as agent:
        await agent.astep("Shop.")
        first = asyncio.create_task(agent.aapprove())
        await entered.wait()
        first.cancel()
        await asyncio.wait([first])
        assert await agent.aapproval() is not None
        done.append("may be ordered now")
        assert (await agent.aapprove()).message == "It is on its way."


def test_two_calls_of_one_answer_are_decided_one_after_the_other(tmp_path: Path) -> None:
    """Each gets its own decision, though the step runs anew for each; what was done is not done again."""
    both = calls(
        ("buy", {"what": "tea"}), ("look", {"what": "milk"}), ("buy", {"what": "milk", "request_heartbeat": True})
    )
    with trader(tmp_path, [both, say("So be it.")], [RequiresApprovalRule("buy")]) as agent:
        first = agent.step("Shop.")
        assert first.approval is not None
        assert first.approval.arguments == {"what": "tea"}
        second = agent.approve()
        assert second.approval is not None
        assert second.approval.arguments == {"what": "milk"}
        last = agent.reject("no milk")
        assert last.message == "So be it."
        assert done == ["bought tea", "looked at milk"]


def test_what_is_said_instead_of_a_decision_takes_its_place(tmp_path: Path) -> None:
    """The call is given up, never carried out, and the conversation goes on."""
    with trader(tmp_path, [call("buy", what="tea"), say("All right, no tea.")], [RequiresApprovalRule("buy")]) as agent:
        assert agent.step("Get tea.").approval is not None
        assert agent.step("Leave it.").message == "All right, no tea."
        assert agent.approval is None
        assert done == []


def test_approving_does_not_skip_the_other_rules(tmp_path: Path) -> None:
    """A call that another rule forbids is refused and nobody is asked."""
    rules = [RequiresApprovalRule("buy"), InitRule("look")]
    with trader(tmp_path, [call("buy", what="tea"), call("look", what="tea"), say("No.")], rules) as agent:
        response = agent.step("Get tea.")
        assert response.approval is None
        assert done == ["looked at tea"]


def test_an_interrupt_is_what_inboxes_expect_and_their_older_answers_are_read(tmp_path: Path) -> None:
    """Through the bare graph, as Studio resumes it."""
    with trader(tmp_path, [call("buy", what="tea"), say("Bought.")], [RequiresApprovalRule("buy")]) as agent:
        agent.step("Get tea.")
        config: Any = {"configurable": {"thread_id": "ann"}}
        (waiting,) = agent.graph.get_state(config).interrupts
        assert waiting.value["action_requests"] == [{"name": "buy", "args": {"what": "tea"}, "description": ""}]
        assert waiting.value["review_configs"] == [
            {"action_name": "buy", "allowed_decisions": ["approve", "edit", "reject"]}
        ]
        agent.graph.invoke(Command(resume=[{"type": "accept"}]), config, context=agent.context)  # type: ignore[call-overload]
        assert done == ["bought tea"]


def test_an_answer_that_is_no_decision_leaves_the_call_waiting(tmp_path: Path) -> None:
    """The facade refuses it at once. The bare graph asks again and says what was wrong, and the next decision counts."""
    with trader(tmp_path, [call("buy", what="tea"), say("Bought.")], [RequiresApprovalRule("buy")]) as agent:
        agent.step("Get tea.")
        for wrong in ({"type": "perhaps"}, {"type": "edit", "edited_action": {"name": "sell", "args": {}}}):
            with pytest.raises(ConfigurationError):
                list(agent.decide(wrong))
        config: Any = {"configurable": {"thread_id": "ann"}}
        two = {"decisions": [{"type": "approve"}, {"type": "reject"}]}
        for wrong in ("perhaps", {"decisions": []}, 7, "", {"type": "answer"}, two, {"type": "edit", "args": None}):
            agent.graph.invoke(Command(resume=wrong), config, context=agent.context)
            (waiting,) = agent.graph.get_state(config).interrupts
            assert f"{wrong!r} is no decision" in waiting.value["action_requests"][0]["description"]
        assert done == []
        assert agent.approve().message == "Bought."
        assert done == ["bought tea"]


def test_a_form_that_is_sent_as_it_is_refuses_where_the_rule_says_so(tmp_path: Path) -> None:
    """Clients are offered no plain approval: Agent Chat UI sends that for a rejection without a reason. An unchanged edit approves."""
    rules = [RequiresApprovalRule("buy", refuse_by_default=True)]
    with trader(tmp_path, [call("buy", what="tea"), say("Bought.")], rules) as agent:
        agent.step("Get tea.")
        config: Any = {"configurable": {"thread_id": "ann"}}
        (waiting,) = agent.graph.get_state(config).interrupts
        assert waiting.value["review_configs"] == [{"action_name": "buy", "allowed_decisions": ["edit", "reject"]}]
        edited = {"decisions": [{"type": "edit", "edited_action": waiting.value["action_requests"][0]}]}
        agent.graph.invoke(Command(resume=edited), config, context=agent.context)
        assert done == ["bought tea"]


CLAIM = "Successfully handled tool call."


@pytest.mark.parametrize(("claim_id", "beside"), [("do-not-render-1", True), ("do-not-render-1", False), ("told", True), ("told", False)])
def test_a_client_that_says_a_waiting_call_was_done_is_not_believed(tmp_path: Path, claim_id: str, beside: bool) -> None:
    """Agent Chat UI adds such a result to a message that a person writes instead of a decision. The agent is told that nothing was done."""
    with trader(tmp_path, [call("buy", what="tea"), say("Then not.")], [RequiresApprovalRule("buy")]) as agent:
        waiting = agent.step("Get tea.").approval
        assert waiting is not None
        claim = ToolMessage(CLAIM, tool_call_id=waiting.call_id, id=claim_id, name="buy")
        config: Any = {"configurable": {"thread_id": "ann"}}
        told: list[Any] = [claim, HumanMessage("Stop, I said nothing of tea.")] if beside else [claim]
        given: Any = {"messages": told}
        queue = agent.graph.invoke(given, config, context=agent.context)["messages"]
        assert [m.text for m in queue if m.type == "tool"] == [INTERRUPTED, "Sent."]
        assert (done, queue[-1].text, agent.approval) == ([], "Then not.", None)


def test_a_clients_answer_to_a_tools_own_question_is_its_result(tmp_path: Path) -> None:
    """assistant-ui sends a result as a message of its own where a tool asks; no rule wants an approval here."""

    @tool
    def ask_size(of: str) -> str:
        """Ask for a size."""
        return str(interrupt(f"How big is {of}?"))

    with trader(tmp_path, [call("ask_size", of="tea"), say("Big.")], tools=[ask_size]) as agent:
        asked = agent.step("Get tea.").interrupts[0]
        config: Any = {"configurable": {"thread_id": "ann"}}
        answer = ToolMessage("XL", tool_call_id=asked.call_id, id="told", name="ask_size")
        queue = agent.graph.invoke({"messages": [answer]}, config, context=agent.context)["messages"]
        assert [m.text for m in queue if m.type == "tool"] == ["XL", "Sent."]


def test_nobody_is_asked_for_ever(tmp_path: Path) -> None:
    """After twenty answers that are no decision the call counts as rejected, and the turn goes on."""
    with trader(tmp_path, [call("buy", what="tea"), say("Then not.")], [RequiresApprovalRule("buy")]) as agent:
        agent.step("Get tea.")
        config: Any = {"configurable": {"thread_id": "ann"}}
        result: Any = {}
        for _ in range(MAX_ANSWERS):
            result = agent.graph.invoke(Command(resume="perhaps"), config, context=agent.context)
        assert result["messages"][-1].text == "Then not."
        assert done == []


@pytest.mark.parametrize("typed", ["approve", " Approve\n", '"accept"', '{"type": "approve"}', '{"decisions": [{"type": "approve"}]}'])
def test_a_decision_typed_into_a_field_for_text_is_read(tmp_path: Path, typed: str) -> None:
    """A form such as Studio's may hand on what was typed as it stands."""
    with trader(tmp_path, [call("buy", what="tea"), say("Bought.")], [RequiresApprovalRule("buy")]) as agent:
        agent.step("Get tea.")
        config: Any = {"configurable": {"thread_id": "ann"}}
        agent.graph.invoke(Command(resume=typed), config, context=agent.context)
        assert done == ["bought tea"]


def test_a_rule_that_rests_is_in_force_again_where_its_tool_is_there(tmp_path: Path) -> None:
    """Opened in between without its tools, as a terminal does, the agent has not lost the rule on them; given ones replace all."""
    with trader(tmp_path, [], [RequiresApprovalRule("buy")]):
        pass
    with trader(tmp_path, [], tools=()):
        pass
    with trader(tmp_path, [call("buy", what="tea")]) as agent:
        assert agent.step("Get tea.").approval is not None
        assert done == []
    with trader(tmp_path, [], [RequiresApprovalRule("sell")]):
        pass
    with trader(tmp_path, [call("buy", what="tea", request_heartbeat=True), call("sell", what="tea")]) as agent:
        response = agent.step("Sell tea.")
        assert response.approval is not None
        assert response.approval.tool == "sell"
        assert done == ["bought tea"]


def test_rules_come_back_with_the_agent_and_rules_without_their_tools_rest(tmp_path: Path) -> None:
    """An agent opened elsewhere, without the tools it was given, is still bound by the rules on those it has."""
    with trader(tmp_path, [], [RequiresApprovalRule("buy"), MaxCountRule("archival_memory_insert", 1)]):
        pass
    script = [
        calls(("archival_memory_insert", {"content": "One."}), ("archival_memory_insert", {"content": "Two."})),
        say("Once."),
    ]
    with trader(tmp_path, script, tools=()) as agent:
        response = agent.step("File it twice.")
        assert [c["failed"] for c in response.tool_calls] == [False, True, False]
        assert [p.text for p in agent.memory.archival.search("")] == ["One."]
