"""The facade's methods on approvals: answering the questions of an interrupted turn, sync and async."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

from memgpt_agent.turns.deliveries import answer_delivery, aresponse_of_turn, decision_delivery, response_of_turn
from memgpt_agent.turns.questions import Question
from memgpt_agent.turns.sleeper import Waking
from memgpt_agent.turns.turn_reader import AgentResponse, Approval, StreamEvent
from memgpt_agent.turns.turns import Turns


class Approvals:
    """The facade's methods on approval."""

    _turns: Turns
    """The turns of the conversation."""
    _waking: Waking
    """Runs the turns, awake and asleep."""

    @property
    def approval(self) -> Approval | None:
        """The tool call that waits for a decision; ``None`` if none does."""
        return self._turns.waiting()

    @property
    def interrupts(self) -> list[Question]:
        """The questions that wait for a person's answer."""
        return self._turns.questions()

    def answer(self, answer: Any) -> AgentResponse:
        """Answer the waiting questions and continue the turn: one value, or a mapping from question ids to values.

        Answer an approval with a decision, as in :meth:`decide`.

        Raises:
            NothingToDecide: no question waits, or not one that the mapping names.
            ConfigurationError: one value for several questions, or an approval without a decision; all still wait.
        """
        return response_of_turn(self.answering(answer))

    def answering(self, answer: Any) -> Generator[StreamEvent]:
        """Answer as :meth:`answer` does, and yield events as :meth:`stream` does."""
        return self._waking.deliver(answer_delivery(answer))

    async def ainterrupts(self) -> list[Question]:
        """Async form of :attr:`interrupts`."""
        return await asyncio.to_thread(self._turns.questions)

    async def aanswer(self, answer: Any) -> AgentResponse:
        """Async form of :meth:`answer`."""
        return await aresponse_of_turn(self.aanswering(answer))

    def aanswering(self, answer: Any) -> AsyncGenerator[StreamEvent]:
        """Async form of :meth:`answering`."""
        return self._waking.adeliver(answer_delivery(answer))

    def approve(self, call_id: str | None = None) -> AgentResponse:
        """Approve the waiting call: it runs, and the turn continues.

        Raises:
            NothingToDecide: no call waits, or not the one of ``call_id``; deciding twice changes nothing.
        """
        return response_of_turn(self.decide(_approval(), call_id))

    def edit(self, arguments: Mapping[str, Any], call_id: str | None = None) -> AgentResponse:
        """Run the waiting call with these arguments instead; the other rules apply to it too."""
        return response_of_turn(self.decide(_change(arguments), call_id))

    def reject(self, reason: str = "", call_id: str | None = None) -> AgentResponse:
        """Reject the waiting call; the agent learns why and continues."""
        return response_of_turn(self.decide(_refusal(reason), call_id))

    def decide(self, decision: dict[str, Any], call_id: str | None = None) -> Generator[StreamEvent]:
        """Decide in the form of LangChain's human-in-the-loop, and yield events as :meth:`stream` does.

        Raises:
            NothingToDecide: no call waits, or not the one of ``call_id``.
            ConfigurationError: it is not a decision; the call still waits.
        """
        return self._waking.deliver(decision_delivery(decision, call_id))

    async def aapproval(self) -> Approval | None:
        """Async form of :attr:`approval`."""
        return await asyncio.to_thread(self._turns.waiting)

    async def aapprove(self, call_id: str | None = None) -> AgentResponse:
        """Async form of :meth:`approve`."""
        return await aresponse_of_turn(self.adecide(_approval(), call_id))

    async def aedit(self, arguments: Mapping[str, Any], call_id: str | None = None) -> AgentResponse:
        """Async form of :meth:`edit`."""
        return await aresponse_of_turn(self.adecide(_change(arguments), call_id))

    async def areject(self, reason: str = "", call_id: str | None = None) -> AgentResponse:
        """Async form of :meth:`reject`."""
        return await aresponse_of_turn(self.adecide(_refusal(reason), call_id))

    def adecide(self, decision: dict[str, Any], call_id: str | None = None) -> AsyncGenerator[StreamEvent]:
        """Async form of :meth:`decide`."""
        return self._waking.adeliver(decision_delivery(decision, call_id))


def _approval() -> dict[str, Any]:
    return {"type": "approve"}


def _change(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "edit", "edited_action": {"args": dict(arguments)}}


def _refusal(reason: str) -> dict[str, Any]:
    return {"type": "reject", "message": reason}
