"""The agents that the server holds open: one store, one file of conversations, each agent opened once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from copy import copy
from dataclasses import replace
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.store.base import BaseStore
from langgraph.types import StateSnapshot
from typing_extensions import override

from memgpt_agent.agent import MemGPTAgent
from memgpt_agent.checkpoints import Checkpointer, open_configured_checkpointer
from memgpt_agent.config import Context, Settings
from memgpt_agent.events import utc_now
from memgpt_agent.graph.builder import AgentGraph, create_graph
from memgpt_agent.leases import Leases
from memgpt_agent.leases.process import this_process
from memgpt_agent.memory import definitions, erasing, namespaces
from memgpt_agent.memory.agent_memory import AgentMemory
from memgpt_agent.memory.core import CoreMemory
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.definitions import AgentDefinition
from memgpt_agent.memory.files import AttachedFiles
from memgpt_agent.memory.opening import open_configured_store
from memgpt_agent.memory.quota import Quota, admitted, bounded
from memgpt_agent.memory.recall import RecallMemory
from memgpt_agent.models import resolve_chat_model
from memgpt_agent.models.advice import try_out
from memgpt_agent.owners import Identity, Walls, check, right
from memgpt_agent.owners.audit import AuditLog
from memgpt_agent.owners.credentials import check_model
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.server import letta_models
from memgpt_agent.server.problems import not_found
from memgpt_agent.server.tool_source import ServedTools
from memgpt_agent.store.base import BaseMemoryStore
from memgpt_agent.tools.groups import catalogue, with_groups
from memgpt_agent.tools.profiles import Profile, profile_of
from memgpt_agent.tools.rules import ContinueRule
from memgpt_agent.tools.specification import verbatim
from memgpt_agent.turns.questions import Question, questions_of
from memgpt_agent.turns.sleeper import SleepRule, thread_of

MAX_OPEN = 200
"""How many agents stay open; the least recently used is closed first."""
Key = tuple[str, str, str]


class TemporaryAgent(MemGPTAgent):
    """An agent that is open for one request, with choices that are not kept.

    Args:
        choices: fields of ``Context``, checked by whoever gives them.
        system: the system prompt in place of its own; its own if omitted.
        appended: text behind the system prompt.
        given: what :class:`MemGPTAgent` is given.
    """

    def __init__(self, choices: Mapping[str, Any], *, system: str | None = None, appended: str = "", **given: Any) -> None:
        self._momentary, self._system, self._appended = dict(choices), system, appended
        super().__init__(**given)

    @property
    @override
    def context(self) -> Context:
        return super().context.model_copy(update=self._momentary)

    @override
    def _compiled(self, profile: Profile, *given: Any, **options: Any) -> AgentGraph:
        own = profile.system_prompt if self._system is None else verbatim(self._system)
        return super()._compiled(replace(profile, system_prompt=own + verbatim(self._appended)), *given, **options)


class OpenAgents:
    """Opens agents for requests; everything that concerns an agent goes through :meth:`definition` or :meth:`agent`.

    Args:
        settings: where everything lies.
        store: the store, if it is open already.
        checkpointer: the conversations, if they are open already.
        model: a chat model for agents that name none.
        sandbox: whether tools that clients upload may run, in the sandbox of ``run_code``.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: BaseMemoryStore | None = None,
        checkpointer: Checkpointer | None = None,
        model: BaseChatModel | str | None = None,
        sandbox: bool = False,
    ) -> None:
        self.settings = settings or Settings.load()
        self._opened = ExitStack()
        self._store = store if store is not None else self._opened.enter_context(open_configured_store(self.settings))
        self.store: BaseStore = self._store
        """The store, as whoever acts may fill it."""
        self.checkpointer = checkpointer or self._opened.enter_context(open_configured_checkpointer(self.settings))
        self.tools = ServedTools(self.store, sandbox=sandbox)
        this_process()  # reads files the first time, which an event loop must not
        self._model = model
        self.who: Identity | None = None
        self.audit = AuditLog.of(self.settings, self._store)
        """Where requests are noted; ``None`` if they are not."""
        self.touched: set[str] | None = None
        """The agents that a request concerned, where somebody wants to know."""
        self._agents: OrderedDict[Key, MemGPTAgent] = OrderedDict()
        self._guard = threading.Lock()
        self._reader = create_graph(checkpointer=self.checkpointer, store=self.store)

    def acting_for(self, who: Identity | None) -> Self:
        """Return the same agents as somebody may see and use them; ``None``: all of them."""
        acting = copy(self)
        acting.who = who
        acting.store = bounded(self._store, self._store, limits_of(self.settings), who)
        acting.tools = ServedTools(self.store, sandbox=self.tools.sandbox, who=who)
        return acting

    def mine(self, value: Mapping[str, Any]) -> bool:
        """Whether something beside the agents, a folder or a tool, is whoever acts for: their own, or nobody's where no owners are."""
        return self.who is None or self.who.is_admin or value.get("owner", "") == self.who.name

    def owned(self) -> dict[str, Any]:
        """Return what is noted on such a thing when it is made."""
        return {"owner": self.who.name} if self.who is not None else {}

    def every(self) -> list[AgentDefinition]:
        """Return the definitions of all agents that whoever acts may see, oldest first."""
        found = definitions.every(self.store)
        reached = Walls(self.store, self.who, "").reach((one.agent_id for one in found), "read")
        return [one for one in found if one.agent_id in reached]

    def definition(self, agent_id: str) -> AgentDefinition:
        """Return an agent's definition.

        Raises:
            HTTPProblem: there is none of this id, or it is somebody else's: 404.
        """
        found = definitions.load(self.store, agent_id)
        if found is None or not self.sees(agent_id):
            raise not_found("agent", agent_id)
        self._touch(agent_id)
        return found

    def _touch(self, agent_id: str) -> None:
        if self.touched is not None:
            self.touched.add(agent_id)

    def conversation(self, agent_id: str, named: str | None) -> str:
        """Return the thread of one of an agent's conversations by its name; its own if none is named, or ``default``.

        Raises:
            HTTPProblem: as :meth:`definition`, or the agent has no such conversation: 404.
        """
        known = self.definition(agent_id).threads
        if named in (agent_id, thread_of(agent_id), *known):
            return named
        if named in (None, "", "default"):
            return agent_id
        raise not_found("conversation", named)

    def sees(self, agent_id: str) -> bool:
        """Whether an agent, and with it its runs and conversations, are there for whoever acts."""
        return right(self.store, self.who, agent_id) is not None

    def check_model(self, name: str) -> None:
        """Refuse a model that a client names and may not choose; a file of this machine's unless it is on the list.

        Raises:
            NotAllowed: it is not on the list (``Settings.allowed_models``).
        """
        if self.who is not None:
            check_model(self.who, [name if ":" in name else name.replace("/", ":", 1)], self.settings, unset="*")

    def chat_model(self, definition: AgentDefinition) -> BaseChatModel:
        """Return an agent's chat model.

        Raises:
            ConfigurationError: as :func:`resolve_chat_model`.
        """
        return resolve_chat_model(definition.model or self._model, settings=self.settings)

    def answering_model(self, name: str) -> str:
        """Return a model's name as it is stored, after the model has answered a short question.

        Raises:
            NotAllowed: as :meth:`check_model`.
            ConfigurationError: the name cannot be used; MissingCredential and its like say what is missing.
            ModelError: the model did not answer. The message says what would help.
        """
        self.check_model(name)
        ours = letta_models.our_name(name)
        try_out(resolve_chat_model(ours, settings=self.settings), ours)
        return name

    def writable(self, agent_id: str) -> AgentDefinition:
        """Return the definition of an agent that is about to be talked to or changed.

        Raises:
            HTTPProblem: as :meth:`definition`.
            NotAllowed: it is shared with whoever acts to be read only.
        """
        found = self.definition(agent_id)
        check(self.store, self.who, agent_id, "write")
        return found

    def core(self, agent_id: str) -> CoreMemory:
        """Return an agent's core memory.

        Raises:
            HTTPProblem: as :meth:`definition`.
        """
        self.writable(agent_id)
        return CoreMemory(self.store, agent_id, walls=Walls(self.store, self.who, agent_id))

    def claimed(self, agent_id: str) -> AbstractContextManager[None]:
        """Make whoever acts the owner of an agent that the block makes under a new id; of none if the block fails.

        Raises:
            LimitReached: they have as many as are allowed.
        """
        self._touch(agent_id)
        return admitted(self._store, limits_of(self.settings), self.who, agent_id)

    def quota(self, agent_id: str) -> Quota | None:
        """Return what whoever acts may still use with an agent; ``None`` if nothing is limited for them."""
        return Quota.of(self._store, limits_of(self.settings), self.who, agent_id)

    def folder(self, folder_id: str) -> dict[str, Any] | None:
        """Return a folder of files as it is stored."""
        item = self.store.get(namespaces.FOLDERS, folder_id)
        return item.value if item and self.mine(item.value) else None

    def files(self, agent_id: str) -> AttachedFiles:
        """Return an agent's files."""
        return AttachedFiles(self.store, agent_id)

    def recall(self, agent_id: str) -> RecallMemory:
        """Return an agent's recall memory."""
        return RecallMemory(self.store, agent_id)

    def state(self, thread_id: str) -> dict[str, Any]:
        """Return the state of a conversation; empty if nothing was said in it."""
        return dict(self._snapshot(thread_id).values)

    def questions(self, agent_id: str, thread_id: str) -> list[Question]:
        """Return the questions of a conversation that wait for a person. No model is needed for it."""
        found = self._snapshot(thread_id)
        return questions_of(found.interrupts, found.values, AgentMemory(self.store, agent_id, who=self.who), thread_id)

    def _snapshot(self, thread_id: str) -> StateSnapshot:
        return self._reader.get_state({"configurable": {"thread_id": thread_id}})

    def agent(
        self, agent_id: str, thread_id: str | None = None, *, client_tools: Sequence[BaseTool] = (), model: str | None = None,
        context: Mapping[str, Any] | None = None, system: str | None = None, appended: str = "",
    ) -> MemGPTAgent:  # fmt: skip
        """Return an agent, open; the same one for the same conversation until its definition changes.

        Args:
            agent_id: which one.
            thread_id: which of its conversations; its own if omitted.
            client_tools: tools that the client of this request carries out itself.
            model: another model for this request.
            context: other choices for this request.
            system: another system prompt for this request.
            appended: text behind the system prompt, in this request only.

        Raises:
            HTTPProblem: as :meth:`definition`.
        """
        definition = self.writable(agent_id)
        if model:
            self.check_model(model)
        thread = thread_id or agent_id
        special = bool(client_tools or model or context or appended) or system is not None
        key = (agent_id, f"{thread}\0{self.who.name if self.who else ''}", "" if special else repr(definition))
        with self._guard:
            if not special and (known := self._agents.get(key)) is not None:
                self._agents.move_to_end(key)
                return known
        made = self._opened_agent(definition, thread, client_tools, model, context or {}, system=system, appended=appended)
        return made if special else self._kept(key, made)

    def profile_of(self, definition: AgentDefinition, also: Sequence[str] = ()) -> Profile:
        """Return an agent's profile with the tools of its groups and those that it was given by name, without those taken from it.

        An agent of Letta's newest type goes on after each of the tools that are its own or the client's (``also``).
        """
        groups = [*definition.groups, *(("files",) if definition.served.get("folder_ids") else ())]
        profile = with_groups(profile_of(definition.profile), groups)
        have = {tool.name for tool in profile.tools}
        extra = (catalogue()[name] for name in definition.served.get("extra_tools", ()) if name in catalogue() and name not in have)
        tools = (*(tool for tool in profile.tools if tool.name not in definition.without), *extra)
        goes_on = [name for name in (*also, *definition.groups) if name in {*also, *(tool.name for tool in tools)}]
        rules = [ContinueRule(name) for name in goes_on] if definition.served.get("agent_type") == "letta_v1_agent" else []
        return replace(profile, tools=tools, rules=(*profile.rules, *rules))

    def _opened_agent(
        self, definition: AgentDefinition, thread: str, client_tools: Sequence[BaseTool], model: str | None,
        context: Mapping[str, Any], **prompt: Any,
    ) -> MemGPTAgent:  # fmt: skip
        named = {tool.name for tool in client_tools}
        tools = [tool for tool in self.tools.of(definition) if tool.name not in named]
        profile = self.profile_of(definition, [tool.name for tool in (*tools, *client_tools)])
        chosen = resolve_chat_model(model, settings=self.settings) if model else definition.model or self._model
        return TemporaryAgent(
            context, **prompt, agent_id=definition.agent_id, thread_id=thread, profile=profile, tools=[*tools, *client_tools], store=self._store,
            model=chosen, checkpointer=self.checkpointer, settings=self.settings,
            owner=self.who, sleep=SleepRule() if definition.served.get("enable_sleeptime") else False,
        )  # fmt: skip

    def _kept(self, key: Key, made: MemGPTAgent) -> MemGPTAgent:
        """Keep an agent open, and close what stood in its place or was used least lately."""
        # Opening an agent may write its definition, so the key is taken from what is stored now.
        key = (key[0], key[1], repr(self.definition(key[0])))
        with self._guard:
            old = [one for one in self._agents if one[:2] == key[:2] and one != key]
            kept = self._agents.setdefault(key, made)
            self._agents.move_to_end(key)
            while len(self._agents) - len(old) > MAX_OPEN:
                old.append(next(one for one in self._agents if one not in old))
            gone = [self._agents.pop(one) for one in old]
        for agent in [*gone, *([made] if kept is not made else [])]:
            agent.close()
        return kept

    def change(self, agent_id: str, changed: Callable[[AgentDefinition], AgentDefinition]) -> AgentDefinition:
        """Change an agent's definition; the next request opens it again.

        Raises:
            HTTPProblem: as :meth:`definition`.
        """
        self.writable(agent_id)
        return definitions.change(self.store, agent_id, changed)

    def serve(self, agent_id: str, **given: Any) -> AgentDefinition:
        """Note what a client gave to an agent beside what the agent is made of."""
        return self.change(agent_id, lambda known: replace(known, served={**known.served, **given}))

    def delete(self, agent_id: str) -> None:
        """Erase an agent, as :func:`memgpt_agent.stored_agents.delete_agent` does.

        Raises:
            HTTPProblem: as :meth:`definition`.
        """
        self.definition(agent_id)
        check(self.store, self.who, agent_id, "own")
        with self._guard:
            gone = [self._agents.pop(key) for key in list(self._agents) if key[0] == agent_id]
        for agent in gone:
            agent.close()
        erasing.erase(self._store, self.checkpointer, agent_id, self.settings.turn_wait_seconds, lambda _: None)

    def reset(self, agent_id: str, thread_id: str) -> None:
        """Let a conversation start over; what was said stays in recall memory.

        Raises:
            ConversationBusy: a turn is being taken, and was not over in time.
        """
        self.writable(agent_id)
        with Leases(self.store).hold(thread_id, self.settings.turn_wait_seconds):
            self.checkpointer.delete_thread(thread_id)
            begun = self.definition(agent_id).served.get("begun", {})
            self.serve(agent_id, begun={**begun, thread_id: stamp(utc_now())})

    def close(self) -> None:
        """Close every agent and the files that were opened here."""
        with self._guard:
            gone = list(self._agents.values())
            self._agents.clear()
        for agent in gone:
            agent.close()
        self._opened.close()
