"""One message, passage or fact: corrected, its corrections undone, or forgotten with what was made of it."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Form
from starlette.responses import Response

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival.passages import passage_of
from memgpt_agent.memory.corrections import kind_of
from memgpt_agent.memory.forgetting import ForgetPlan
from memgpt_agent.memory.knowledge import Fact
from memgpt_agent.memory.recall import message_of
from memgpt_agent.server.page.jobs import Job, begun, jobs_of
from memgpt_agent.server.page.view import Agent, AgentView, of_agent, pages, plain
from memgpt_agent.server.problems import HTTPProblem, not_found

router = pages()
LISTED = 500
"""So many things of a plan are shown; a plan that finds more is made of other words."""


@router.get("/a/{agent}/item")
def looked_at(seen: Agent, kind: str, id: str) -> Response:
    """Show one thing, what it said before, and the forms that change it."""
    filed = namespaces.of(seen.agent_id, "archival")
    places = {"message": namespaces.of(seen.agent_id, "recall"), "passage": filed, "file": filed, "fact": namespaces.of(seen.agent_id, "facts")}
    item = seen.served.agents.store.get(places[kind], id) if kind in places else None
    if item is None:
        raise not_found(kind, id)
    recall = seen.served.agents.recall(seen.agent_id)
    values: dict[str, Any] = {"kind": kind, "id": id, "message": None, "passage": None, "fact": None, "origin": ""}
    if kind == "message":
        values["message"] = message_of(item)
    elif kind == "fact":
        fact = values["fact"] = Fact.from_value(item.value)
        values["origin"] = next(iter(recall.get(list(fact.causes))), "")
    else:
        passage = values["passage"] = passage_of(item.value)
        values["origin"] = next(iter(recall.get([passage.cause] if passage.cause else [])), "")
    edits = seen.agent().edits(id) if seen.writable else []
    return seen.page("item.html", tab="search", edits=edits, **values)


@router.post("/a/{agent}/item")
def correct(
    seen: Agent,
    id: Annotated[str, Form()],
    text: Annotated[str, Form()] = "",
    subject: Annotated[str, Form()] = "",
    relation: Annotated[str, Form()] = "",
    object: Annotated[str, Form()] = "",
) -> Response:
    """Put a thing right; what it said before is kept."""
    agent, kind = seen.agent(), kind_of(id)
    if kind == "fact":
        new = agent.edit_fact(
            id, subject=subject.strip() or None, relation=relation.strip() or None, object=object.strip() or None
        ).id
    else:
        new = agent.edit_passage(id, plain(text)).id if kind == "passage" else agent.edit_message(id, plain(text)).id
    return seen.back("item", kind=kind, id=new, note="corrected")


@router.post("/a/{agent}/item/undo")
def undo(seen: Agent, id: Annotated[str, Form()]) -> Response:
    """Take back the last correction."""
    return seen.back("item", kind=kind_of(id), id=seen.agent().undo_edit(id).id, note="undone")


@router.get("/a/{agent}/forget")
def ask(seen: Agent) -> Response:
    """Ask what is to be forgotten."""
    return seen.page("forget.html", tab="search", threads=seen.threads)


def _plan(seen: AgentView, by: str, what: str) -> ForgetPlan:
    agent = seen.agent()
    if by == "thread":
        return agent.forget(thread_id=what)
    return (
        agent.forget(user_id=what)
        if by == "user"
        else agent.forget(before=what)
        if by == "before"
        else agent.forget(what)
    )


@router.post("/a/{agent}/forget")
def plan(seen: Agent, what: Annotated[str, Form()] = "", by: Annotated[str, Form()] = "words") -> Response:
    """Show what would be forgotten, each thing with a tick; nothing is erased yet."""
    if not what.strip():
        raise HTTPProblem(422, "There is nothing to forget: give words that it holds.")
    return _shown(seen, _plan(seen, by, plain(what)), what, by)


def _shown(seen: AgentView, made: ForgetPlan, what: str, by: str, new: Iterable[str] = ()) -> Response:
    return seen.page(
        "forget_plan.html",
        tab="search",
        plan=made,
        found=made.found[:LISTED],
        more=max(0, len(made.found) - LISTED),
        what=what,
        by=by,
        new=set(new),
    )


@router.post("/a/{agent}/forget/erase")
def erase(
    seen: Agent,
    what: Annotated[str, Form()],
    by: Annotated[str, Form()] = "words",
    shown: Annotated[list[str] | None, Form()] = None,
    tick: Annotated[list[str] | None, Form()] = None,
    rest: Annotated[str, Form()] = "",
) -> Response:
    """Erase what is ticked. What comes along with a tick of the user's is shown first; there is no way back."""
    seen.check_writable()
    listed, ticked = set(shown or ()), set(tick or ())
    made = _plan(seen, by, plain(what))
    there = {one.id for one in made.found}
    made = made.tick(*(ticked & there)) if ticked & there else made
    made = made.untick(*{one.id for one in made.found if one.ticked and one.id in listed - ticked})
    new = {one.id for one in made.found if one.ticked and one.id not in listed}
    if new and not rest:
        return _shown(seen, made, what, by, new)

    def work(job: Job) -> str:
        def on_step(words: str) -> None:
            job.words = words

        return str(made.erase(tell=on_step))

    return begun(
        seen, jobs_of(seen.request).start(seen.agent_id, "Forgetting", of_agent(seen.agent_id, "search"), work)
    )
