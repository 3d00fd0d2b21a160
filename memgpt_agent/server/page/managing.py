"""Exporting, importing, deleting and sharing agents; names and models; what was forgotten; and tokens."""

import re
import tempfile
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import File, Form, UploadFile
from starlette.responses import Response, StreamingResponse

from memgpt_agent.agent_file import export_agent, export_agent_file
from memgpt_agent.errors import ConfigurationError
from memgpt_agent.memory import namespaces
from memgpt_agent.owners import SCOPES, ownership, share
from memgpt_agent.owners.tokens import Tokens
from memgpt_agent.server import letta_agents
from memgpt_agent.server.page.jobs import Job, jobs_of
from memgpt_agent.server.page.view import Agent, PageView, Viewing, address, of_agent, pages, title_of
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.store.plain import newest
from memgpt_agent.stored_agents import rename_agent

router = pages()
_LOGGED = 30
_CHUNK = 64_000


@router.get("/a/{agent}/manage")
def shown(seen: Agent) -> Response:
    """Show what can be done with an agent as a whole."""
    store = seen.served.agents.store
    logged = newest(store, namespaces.of(seen.agent_id, "forgotten"), filter={"actor": {"$gt": ""}}, limit=_LOGGED)
    known = ownership(store, seen.agent_id)
    return seen.page(
        "manage.html",
        tab="manage",
        ownership=known,
        logged=[item.value for item in logged],
        default=seen.served.agents.settings.model or "",
        tags=" ".join(seen.definition.tags),
    )


@router.post("/a/{agent}/settings")
def settings(
    seen: Agent,
    name: Annotated[str, Form()] = "",
    model: Annotated[str, Form()] = "",
    tags: Annotated[str, Form()] = "",
) -> Response:
    """Change an agent's name, its tags, and its model once the new one has answered."""
    agents = seen.served.agents
    agents.writable(seen.agent_id)
    given: dict[str, Any] = {"tags": tags.split(), "name": name.strip()}
    if model.strip() and model.strip() != seen.definition.model:
        given["model"] = agents.answering_model(model.strip())
    rename_agent(seen.agent_id, name.strip(), agents.settings.model_copy(update={"owner": None}), store=agents.store)
    letta_agents.modify(agents, seen.agent_id, given)
    return seen.back("manage", note="saved")


@router.get("/a/{agent}/export")
def export(seen: Agent, form: str = "own") -> Response:
    """Return an agent as a file: our own form with everything, or an Agent File for other programs."""
    agents = seen.served.agents
    write, ending = (export_agent_file, "af") if form == "af" else (export_agent, "memgpt.json")
    folder = tempfile.TemporaryDirectory(prefix="memgpt-export-")
    try:
        path = Path(folder.name, "agent")
        write(seen.agent_id, path, settings=agents.settings, store=agents.store, checkpointer=agents.checkpointer)
    except BaseException:
        folder.cleanup()
        raise

    def pieces() -> Generator[bytes]:
        with folder, path.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece

    name = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', title_of(seen.definition))[:60].strip('-.') or 'agent'}.{ending}"
    headers = {
        "content-disposition": f'attachment; filename="{quote(name)}"',
        "content-length": str(path.stat().st_size),
    }
    return StreamingResponse(pieces(), media_type="application/json", headers=headers)


@router.post("/a/{agent}/delete")
def delete(seen: Agent, name: Annotated[str, Form()] = "") -> Response:
    """Erase an agent with all that it remembers, where its name was typed."""
    if not seen.owned:
        raise HTTPProblem(403, "Only the agent's owner may delete it.")
    if name.strip() not in (title_of(seen.definition), seen.agent_id):
        raise HTTPProblem(422, "That is not the agent's name. Nothing was deleted.")
    agents = seen.served.agents

    def work(job: Job) -> str:
        job.words = "Waiting for turns that are being taken, then rewriting the files"
        agents.delete(seen.agent_id)
        return "Deleted. No byte of it is left in the data folder."

    job = jobs_of(seen.request).start(seen.agent_id, "Deleting the agent", address("agents"), work)
    job.over.wait(20)
    if job.error:
        raise HTTPProblem(409, job.error)
    return seen.go(address("agents", note="deleted"))


@router.post("/a/{agent}/share")
def shared(seen: Agent, name: Annotated[str, Form()], right: Annotated[str, Form()] = "") -> Response:
    """Let somebody read the agent or use it, or no longer."""
    if not seen.owned:
        raise HTTPProblem(403, "Only the agent's owner may share it.")
    if right not in ("read", "write", ""):
        raise HTTPProblem(422, "One may read it, or write as well.")
    share(
        seen.served.agents.store,
        seen.agent_id,
        name.strip(),
        None if not right else "read" if right == "read" else "write",
    )
    return seen.back("manage", note="shared")


@router.get("/import")
def ask(seen: Viewing) -> Response:
    """Ask for a file."""
    return seen.page("import.html", made=None, notes=())


@router.post("/import")
def import_file(seen: Viewing, file: Annotated[UploadFile, File()], name: Annotated[str, Form()] = "") -> Response:
    """Make the agents that a file holds, each under an id of its own."""
    made, notes = letta_agents.import_file(seen.served.agents, file, name.strip())
    if len(made) == 1 and not notes:
        return seen.go(of_agent(made[0], "blocks", note="imported"))
    return seen.page("import.html", made=made, notes=notes)


def _tokens(seen: PageView) -> Tokens:
    if seen.who is not None and not seen.who.is_admin:
        raise HTTPProblem(403, "Only the admin makes and revokes tokens.")
    return Tokens(seen.served.agents.settings.tokens_path)


@router.get("/tokens")
def tokens(seen: Viewing) -> Response:
    """List the tokens; never the tokens themselves."""
    return seen.page(
        "tokens.html", tokens=_tokens(seen).all(), made="", scopes=SCOPES, now=datetime.now(UTC).isoformat()
    )


@router.post("/tokens")
def make_token(
    seen: Viewing,
    owner: Annotated[str, Form()],
    scope: Annotated[list[str] | None, Form()] = None,
    days: Annotated[str, Form()] = "",
) -> Response:
    """Make a token and show it, this once."""
    known = _tokens(seen)
    if days.strip() and not (days.strip().isdecimal() and 0 < int(days[:6]) <= 36_500):
        raise ConfigurationError(f"A token is good for 1 to 36,500 days; got {days[:20]!r}.")
    if not known.all() and not seen.guarded and "admin" not in (scope or ()):
        raise HTTPProblem(
            422, "The first token needs the scope admin: from then on everybody has to log in, you as well."
        )
    given: Any = tuple(scope or ())
    made, _ = known.create(
        owner.strip(), given, datetime.now(UTC) + timedelta(days=int(days)) if days.strip() else None
    )
    return seen.page("tokens.html", tokens=known.all(), made=made, scopes=SCOPES, now=datetime.now(UTC).isoformat())


@router.post("/tokens/revoke")
def revoke(seen: Viewing, token: Annotated[str, Form()]) -> Response:
    """Let a token be good no more."""
    _tokens(seen).revoke(token)
    return seen.go(address("tokens", note="revoked"))
