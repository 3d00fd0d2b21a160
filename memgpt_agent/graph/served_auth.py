"""The ``auth`` that ``langgraph.json`` may name: identifies a server's clients and shows each of them only its own things."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, cast

from langgraph.store.base import BaseStore
from langgraph_sdk import Auth

from memgpt_agent.config import Settings
from memgpt_agent.errors import AgentNotFound, ConfigurationError, LimitReached, NotAllowed
from memgpt_agent.memory.namespaces import decode_label, encode_label
from memgpt_agent.memory.quota import Quota
from memgpt_agent.nodes.run_agent import identity_of, process_settings
from memgpt_agent.owners import Identity, Right, check, unknown
from memgpt_agent.owners.audit import AuditLog
from memgpt_agent.owners.credentials import MODEL_FIELDS, Credentials, check_model
from memgpt_agent.owners.identity import SCOPE_PREFIX
from memgpt_agent.owners.limits import limits_of
from memgpt_agent.store.protocol import StoredSize
from memgpt_agent.store.rows import encode_value

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
    asked: dict[str, Any] = value.get("kwargs") or value.get("payload") or value
    async with _noted(who, f"{ctx.resource}:{ctx.action}", _named_agent(asked), reads=ctx.action in _READS):
        await _check_asked(ctx, who, value)
    if who.is_admin:
        return None
    mine: dict[str, Any] = {OWNER: who.name}
    shipped = ctx.resource == "assistants" and ctx.action in {"read", "search"}
    return {"$or": [mine, {"created_by": "system"}]} if shipped else mine


async def _check_asked(ctx: Any, who: Identity, value: dict[str, Any]) -> None:
    """Refuse what the sender may not ask for, and put the owner's name on what is made or changed."""
    if ctx.action == "create_run":
        await _check_choices(who, (value.get("kwargs") or {}))
        await _check_spent(who)
    elif ctx.action in {"create", "update"}:
        await _check_choices(who, value.get("payload") or value)
    if ctx.action in {"create", "create_run"} or (ctx.action == "update" and value.get("metadata") is not None):
        if value.get("metadata") is None:
            value["metadata"] = {}
        metadata = cast(dict[str, Any], value["metadata"])  # changed in place: the server goes on with this very object
        metadata.pop("created_by", None)  # the server's own assistants have it, which everybody may use
        metadata[OWNER] = who.name


@auth.on.store
async def own_memory_only(ctx: Any, value: dict[str, Any]) -> None:
    """Let a request through to the memory of an agent that its sender may use: the namespace begins with that agent's label."""
    who = _sender(ctx)
    label = next(iter(value.get("namespace") or ()), "")
    agent_id = decode_label(label) if label else ""
    async with _noted(who, f"store:{ctx.action}", agent_id, reads=ctx.action in _READS):
        if not who.is_admin:
            await _check_store(ctx, who, value, label, agent_id)


async def _check_store(ctx: Any, who: Identity, value: dict[str, Any], label: str, agent_id: str) -> None:
    try:
        if not agent_id or encode_label(agent_id) != label:  # a root of the store's own, or another spelling of a label
            raise unknown(agent_id)
        await _check(who, agent_id, "read" if ctx.action in _READS else "write")
        if ctx.action == "put":
            await _check_put(who, agent_id, value)
    except LimitReached as error:
        raise _refusal(error) from None
    except (AgentNotFound, ConfigurationError, NotAllowed):
        raise Auth.exceptions.HTTPException(
            status_code=403, detail="Name a namespace that begins with the label of an agent which you may use so."
        ) from None


@asynccontextmanager
async def _noted(who: Identity, act: str, agent_id: str, *, reads: bool) -> AsyncGenerator[None]:
    """Note in the audit log what somebody asks for, and whether it was refused here."""
    log, outcome = await _audit_log(), ""
    try:
        yield
    except Auth.exceptions.HTTPException as refused:
        outcome = str(refused.status_code)
        raise
    finally:
        if log:
            await asyncio.to_thread(lambda: log.note(who, act, [agent_id], outcome, once_a_minute=reads and not outcome))


_logs: dict[int, AuditLog] = {}


async def _audit_log() -> AuditLog | None:
    if process_settings().audit != "on":
        return None
    store = await _store()
    return _logs.setdefault(id(store), AuditLog(store))


def _named_agent(asked: Mapping[str, Any]) -> str:
    """Return the agent that a request names; empty if it names none."""
    named = (one["agent_id"] for one in _choices_of(asked) if one.get("agent_id"))
    return str(next(named, ""))


def _choices_of(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the mappings in which a request may choose: its context, and the ``configurable`` of its config."""
    config = cast(dict[str, Any], asked.get("config") or {})
    return [cast(dict[str, Any], one) for one in (asked.get("context"), config.get("configurable")) if isinstance(one, dict)]


def _sender(ctx: Any) -> Identity:
    """Return who sends a request, if their scopes allow what it does. Studio's own user, whom nobody authenticates, counts as nobody."""
    who = None if isinstance(ctx.user, Auth.types.StudioUser) else identity_of(ctx.user, ctx.permissions)
    wanted = "read" if ctx.action in _READS else "chat"
    if who is None or not (who.is_admin or wanted in who.scopes or (wanted == "read" and "chat" in who.scopes)):
        raise Auth.exceptions.HTTPException(status_code=403, detail=f"This needs the scope {wanted!r}.")
    return who


async def _check_choices(who: Identity, asked: Mapping[str, Any]) -> None:
    """Refuse what a client may not choose, before anything runs: an agent that is not its own, a model that is not allowed."""
    for named in _choices_of(asked):
        try:
            check_model(who, [str(named.get(field) or "") for field in MODEL_FIELDS])
            if named.get("agent_id"):
                await _check(who, str(named["agent_id"]), "write")
        except AgentNotFound as error:
            raise Auth.exceptions.HTTPException(status_code=404, detail=str(error)) from None
        except NotAllowed as error:
            raise Auth.exceptions.HTTPException(status_code=403, detail=str(error)) from None


async def _quota(who: Identity, agent_id: str) -> Quota | None:
    store, owner = await _store(), who.name if who.has(agent_id) else ""
    return await asyncio.to_thread(lambda: Quota.of(store, limits_of(process_settings()), who, agent_id, owner))


async def _check_spent(who: Identity) -> None:
    """Refuse a run before it is queued if its sender has used up what is allowed; the graph counts it, and asks again."""
    if quota := await _quota(who, who.agent_id):
        try:
            await asyncio.to_thread(quota.check_spent)
        except LimitReached as error:
            raise _refusal(error) from None


async def _check_put(who: Identity, agent_id: str, put: Mapping[str, Any]) -> None:
    """Refuse to store an item for which there is no room.

    Raises:
        LimitReached: there is none.
    """
    quota = await _quota(who, agent_id) if put.get("value") is not None else None
    if quota:
        size = StoredSize(tuple(put["namespace"]), str(put["key"]), len(encode_value(put["value"]).encode()))
        await asyncio.to_thread(lambda: (quota.admit(), quota.check_storage([size])))


def _refusal(error: LimitReached) -> Exception:
    seconds = error.retry_after_seconds
    headers = {"retry-after": str(seconds)} if seconds else None
    return Auth.exceptions.HTTPException(status_code=429 if seconds else 403, detail=str(error), headers=headers)


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
