"""The ``auth`` that ``langgraph.json`` may name: identifies a server's clients and shows each of them only its own things."""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from langgraph.store.base import BaseStore
from langgraph_sdk import Auth

from memgpt_agent.config import Settings
from memgpt_agent.errors import AgentNotFound, ConfigurationError, NotAllowed
from memgpt_agent.memory.namespaces import decode_label, encode_label
from memgpt_agent.nodes.run_agent import identity_of
from memgpt_agent.owners import Identity, Right, check, unknown
from memgpt_agent.owners.choices import MODEL_FIELDS, check_model
from memgpt_agent.owners.credentials import Credentials
from memgpt_agent.owners.identity import SCOPE_PREFIX

OWNER = "memgpt_owner"
"""The key of metadata under which a thread, an assistant or a cron has its owner's name. The server overwrites what a client puts there."""
_READS = frozenset({"read", "search", "get", "list_namespaces"})

auth = Auth()


@cache
def _credentials() -> Credentials:
    return Credentials(Settings.load())


@auth.authenticate
async def authenticate(headers: dict[bytes, bytes]) -> dict[str, Any]:
    """Return who sends a request; 401 if nobody known does."""
    sent = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.items()}
    who = await asyncio.to_thread(lambda: _credentials().identity(sent))
    if who is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Send a token: Authorization: Bearer ... (memgpt tokens create).")
    return {"identity": who.name, "is_authenticated": True, "permissions": [SCOPE_PREFIX + scope for scope in sorted(who.scopes)]}


@auth.on
async def own_things_only(ctx: Any, value: dict[str, Any]) -> Any:
    """Let a request through to its sender's own things: threads, their runs, assistants, crons.

    New things get their owner's name; everything else is filtered by it, so that other owners' things seem not to exist.
    """
    who = _sender(ctx)
    if ctx.action == "create_run":
        await _check_choices(who, (value.get("kwargs") or {}))
    elif ctx.action in {"create", "update"}:
        await _check_choices(who, value.get("payload") or value)
    if ctx.action in {"create", "create_run"} or (ctx.action == "update" and value.get("metadata") is not None):
        if value.get("metadata") is None:
            value["metadata"] = {}
        metadata = cast(dict[str, Any], value["metadata"])  # changed in place: the server goes on with this very object
        metadata.pop("created_by", None)  # the server's own assistants have it, which everybody may use
        metadata[OWNER] = who.name
    if who.is_admin:
        return None
    mine: dict[str, Any] = {OWNER: who.name}
    shipped = ctx.resource == "assistants" and ctx.action in {"read", "search"}
    return {"$or": [mine, {"created_by": "system"}]} if shipped else mine


@auth.on.store
async def own_memory_only(ctx: Any, value: dict[str, Any]) -> None:
    """Let a request through to the memory of an agent that its sender may use: the namespace begins with that agent's label."""
    who = _sender(ctx)
    if who.is_admin:
        return
    label = next(iter(value.get("namespace") or ()), "")
    agent_id = decode_label(label) if label else ""
    try:
        if not agent_id or encode_label(agent_id) != label:  # a root of the store's own, or another spelling of a label
            raise unknown(agent_id)
        await _check(who, agent_id, "read" if ctx.action in _READS else "write")
    except (AgentNotFound, ConfigurationError, NotAllowed):
        raise Auth.exceptions.HTTPException(
            status_code=403, detail="Name a namespace that begins with the label of an agent which you may use so."
        ) from None


def _sender(ctx: Any) -> Identity:
    """Return who sends a request, if their scopes allow what it does. Studio's own user, whom nobody authenticates, counts as nobody."""
    who = None if isinstance(ctx.user, Auth.types.StudioUser) else identity_of(ctx.user, ctx.permissions)
    wanted = "read" if ctx.action in _READS else "chat"
    if who is None or not (who.is_admin or wanted in who.scopes or (wanted == "read" and "chat" in who.scopes)):
        raise Auth.exceptions.HTTPException(status_code=403, detail=f"This needs the scope {wanted!r}.")
    return who


async def _check_choices(who: Identity, asked: Mapping[str, Any]) -> None:
    """Refuse what a client may not choose, before anything runs: an agent that is not its own, a model that is not allowed."""
    config = cast(dict[str, Any], asked.get("config") or {})
    for chosen in (asked.get("context"), config.get("configurable")):
        if not isinstance(chosen, dict):
            continue
        named = cast(dict[str, Any], chosen)
        try:
            check_model(who, [str(named.get(field) or "") for field in MODEL_FIELDS])
            if named.get("agent_id"):
                await _check(who, str(named["agent_id"]), "write")
        except AgentNotFound as error:
            raise Auth.exceptions.HTTPException(status_code=404, detail=str(error)) from None
        except NotAllowed as error:
            raise Auth.exceptions.HTTPException(status_code=403, detail=str(error)) from None


async def _check(who: Identity, agent_id: str, wanted: Right) -> None:
    store = await _store()
    await asyncio.to_thread(check, store, who, agent_id, wanted)


async def _store() -> BaseStore:
    """Return the server's store."""
    try:
        from langgraph_api.store import get_store
    except ImportError as error:
        raise ConfigurationError("memgpt_agent.graph.served_auth serves LangGraph Server only.") from error
    return await get_store()
