"""Reading a running Letta server through its own interface: its agents as Agent Files, its folders and files."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from memgpt_agent.errors import ConfigurationError

Data = dict[str, Any]
_PAGE = 100
_TIMEOUT_SECONDS = 60
_IN_CONTEXT = 20
"""So many of the newest messages are in context where the server's own list names none of them."""
_AGENT_LISTS = ("blocks", "memory", "tools", "sources", "folders", "messages", "message_ids", "identities")


@dataclass(frozen=True)
class LettaServer:
    """A Letta server, or one that answers as it does."""

    url: str
    """Its address, without a path."""
    token: str = ""
    """Sent as ``Authorization: Bearer``."""

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer to a GET.

        Raises:
            ConfigurationError: the server cannot be reached, refuses, or answers something else.
        """
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{self.url.rstrip('/')}{path}{'?' + urllib.parse.urlencode(given) if given else ''}"
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ConfigurationError(f"{self.url!r} is no address of a server; it begins with http:// or https://.")
        headers = {"accept": "application/json", **({"authorization": f"Bearer {self.token}"} if self.token else {})}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise ConfigurationError(f"{address} answered {error.code} {error.reason}. Is a token missing (--token)?") from error
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{address} cannot be read: {error}") from error

    def every(self, path: str, **query: Any) -> Iterator[Data]:
        """Yield the items of a list, page by page, each once: a server that ignores ``after`` does not make it endless."""
        seen: dict[str, None] = {}
        after: str | None = None
        while page := cast(list[Data], self.get(path, limit=_PAGE, after=after, **query)):
            fresh = [one for one in page if str(one.get("id")) not in seen]
            yield from page if fresh else ()
            seen |= dict.fromkeys(str(one.get("id")) for one in page)
            after = str(page[-1].get("id"))
            if not fresh:
                return

    def agents(self) -> list[Data]:
        """Return all agents, oldest first."""
        return list(self.every("/v1/agents/", order="asc"))

    def folders(self) -> list[Data]:
        """Return all folders, each with its ``files``, whose ``content`` is their text."""
        return [
            {**folder, "files": list(self.every(f"/v1/folders/{folder['id']}/files", include_content="true"))}
            for folder in self.every("/v1/folders/")
        ]

    def agent_file(self, agent: Data) -> Data:
        """Return an agent as an Agent File that also holds its archival memory, and messages that are not in context any more."""
        agent_id = str(agent["id"])
        messages = file_messages(self.every(f"/v1/agents/{agent_id}/messages", order="asc", use_assistant_message="false"))
        passages = self.every(f"/v1/agents/{agent_id}/archival-memory", ascending="true")
        blocks = blocks_of(agent)
        known = {one["id"] for one in messages}
        listed: list[str] = agent.get("message_ids") or []
        tools: list[Data] = agent.get("tools") or []
        wanted = [one for one in listed if one in known and _role(messages, one) != "system"]
        own: Data = {
            **{name: value for name, value in agent.items() if name not in _AGENT_LISTS}, "messages": messages,
            "in_context_message_ids": wanted or [one["id"] for one in messages[-_IN_CONTEXT:]],
            "block_ids": [one["id"] for one in blocks], "tool_ids": [one["id"] for one in tools],
            "passages": [{name: one.get(name) for name in ("text", "tags", "created_at")} for one in passages if not one.get("file_name")],
        }  # fmt: skip
        return {"agents": [own], "blocks": blocks, "tools": tools}

    def conversations(self, agent_id: str) -> int:
        """Return whether an agent has conversations beside its first one; older servers know none."""
        try:
            return len(self.get("/v1/conversations/", agent_id=agent_id, limit=1))
        except ConfigurationError:
            return 0


def blocks_of(agent: Mapping[str, Any]) -> list[Data]:
    """Return an agent's blocks; older servers show them within its memory only."""
    memory: Data = agent.get("memory") or {}
    return agent.get("blocks") or memory.get("blocks") or []


def _role(messages: Iterable[Data], message_id: str) -> str:
    return next((str(one["role"]) for one in messages if one["id"] == message_id), "")


def file_messages(listed: Iterable[Mapping[str, Any]]) -> list[Data]:
    """Return messages of the interface as an Agent File has them: what one step thought, called and said is one message there."""
    return [
        message for message_id, group in groupby(listed, key=lambda one: str(one.get("id"))) if (message := _message(message_id, list(group)))
    ]


def _message(message_id: str, group: list[Mapping[str, Any]]) -> Data | None:
    kinds = {str(one.get("message_type")) for one in group}
    first = group[0]
    whole: Data = {"id": message_id, "created_at": first.get("date"), "name": first.get("name")}
    if "tool_return_message" in kinds:
        returns = [one for part in group for one in part.get("tool_returns") or [part] if "tool_return" in one]
        return {**whole, "role": "tool", "tool_returns": [_returned(one) for one in returns]}
    if roles := kinds & _ROLES.keys():
        return {**whole, "role": _ROLES[roles.pop()], "content": first.get("content") or first.get("summary")}
    parts: list[Data] = [{"type": "reasoning", "reasoning": one["reasoning"]} for one in group if one.get("reasoning")]
    parts += [part for one in group if one.get("message_type") == "assistant_message" for part in _content(one.get("content"))]
    calls = [call for one in group for call in one.get("tool_calls") or filter(None, [one.get("tool_call")])]
    if not parts and not calls:
        return None  # an answer to a request, whose result follows
    named = [{"id": one["tool_call_id"], "function": {"name": one["name"], "arguments": one.get("arguments")}} for one in calls]
    return {**whole, "role": "assistant", "content": parts, "tool_calls": named}


_ROLES = {"user_message": "user", "system_message": "system", "summary_message": "summary"}


def _content(content: Any) -> list[Data]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else cast(list[Data], content or [])


def _returned(one: Mapping[str, Any]) -> Data:
    return {"tool_call_id": one.get("tool_call_id"), "func_response": one.get("tool_return"), "status": one.get("status")}
