"""One search over messages, passages, facts and files, and why each thing was found."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from langgraph.store.base import BaseStore
from starlette.responses import Response

from memgpt_agent.memory import namespaces
from memgpt_agent.memory.archival.passages import passage_of, passing
from memgpt_agent.memory.dates import range_filter
from memgpt_agent.memory.knowledge import Fact, KnowledgeGraph
from memgpt_agent.memory.recall import DIALOGUE, ROLES, message_of
from memgpt_agent.server.page.view import THREADS, Agent, AgentView, Place, pages
from memgpt_agent.server.problems import HTTPProblem
from memgpt_agent.store.plain import Filter, best_or_newest, find
from memgpt_agent.text.words import terms_of

router = pages()
PAGE = 10
"""So many of each kind are shown at once."""
KINDS = (("messages", "Messages"), ("passages", "Passages"), ("facts", "Facts"), ("files", "Files"))
_WORD = re.compile(r"\w+")
_SHOWN_CHARS = 600
_CLOSEST = 100
_CLOSE = 0.35
"""A cosine below this says nothing about the meaning."""


@dataclass(frozen=True)
class Piece:
    """A piece of a text."""

    text: str
    """What it says."""
    hit: bool
    """Whether it is one of the words that were looked for."""


@dataclass(frozen=True)
class PageHit:
    """One thing that was found."""

    kind: str
    """``message``, ``passage``, ``fact`` or ``file``."""
    id: str
    """By which it is corrected or forgotten."""
    pieces: Sequence[Piece]
    """What it says, with the words that were looked for apart."""
    time: str
    """When it was said or stored."""
    about: str
    """Who said it, its tags, or where it comes from."""
    why: Sequence[str]
    """Why it was found."""
    turn: str = ""
    """The turn of a message."""


@dataclass(frozen=True)
class SearchForm:
    """What is looked for."""

    query: str
    """In words; empty for the newest."""
    dates: Filter
    """Between which times."""
    roles: Sequence[str] = ()
    """Said by whom."""
    tags: Sequence[str] = ()
    """With one of these tags."""
    thread: str = ""
    """In which conversation."""
    page: int = 0
    """Which page of the results."""


@router.get("/a/{agent}/search")
def search(
    seen: Agent,
    q: str = "",
    kind: str = "",
    since: str = "",
    until: str = "",
    role: str = "",
    tag: str = "",
    thread: str = "",
    page: Place = 0,
) -> Response:
    """Search what the agent remembers."""
    if (kind and kind not in dict(KINDS)) or (role and role not in ROLES):
        raise HTTPProblem(422, f"One can look for {', '.join(dict(KINDS))}, and for messages of {', '.join(ROLES)}.")
    wanted = SearchForm(
        q.strip(),
        range_filter(since or None, until or None, seen.zone),
        [role] if role else [],
        tag.split(),
        thread,
        page,
    )
    asked = bool(seen.request.query_params)
    found = [
        (one, name, hits)
        for one, name in KINDS
        if asked and _fits(one, kind, wanted)
        for hits in [_of(seen, one, wanted)]
    ]
    return seen.page(
        "search.html",
        tab="search",
        q=q,
        kind=kind,
        since=since,
        until=until,
        role=role,
        tags=tag,
        thread=thread,
        number=wanted.page,
        found=found,
        asked=asked,
        kinds=KINDS,
        roles=ROLES,
        threads=seen.threads[:THREADS],
        size=PAGE,
    )


def _fits(one: str, kind: str, wanted: SearchForm) -> bool:
    """Whether a kind of things is looked through: a role or a conversation only messages have, a tag passages and files."""
    if kind and kind != one:
        return False
    if wanted.roles or wanted.thread:
        return one == "messages"
    return one in ("passages", "files") if wanted.tags else True


def _of(seen: AgentView, kind: str, wanted: SearchForm) -> list[PageHit]:
    store, agent_id = seen.served.agents.store, seen.agent_id
    if kind == "facts":
        return facts(store, agent_id, wanted)
    return (
        messages(store, agent_id, wanted)
        if kind == "messages"
        else passages(store, agent_id, wanted, files=kind == "files")
    )


def messages(store: BaseStore, agent_id: str, wanted: SearchForm) -> list[PageHit]:
    """Return messages with why each was found."""
    place = namespaces.of(agent_id, "recall")
    condition: Filter = {**wanted.dates, **({"role": {"$in": list(wanted.roles)}} if wanted.roles else {"echo": False})}
    condition |= {"thread_id": wanted.thread} if wanted.thread else {}
    items = best_or_newest(store, place, wanted.query, filter=condition, limit=PAGE, page=wanted.page, near=DIALOGUE)
    close = _closeness(store, place, wanted.query, condition)
    return [
        PageHit(
            "message",
            item.key,
            _marked(said.whole, wanted.query),
            said.time,
            said.user_id or said.tool or said.role,
            _why(wanted.query, said.whole, str(item.value.get("beside", "")), close.get(item.key)),
            said.turn,
        )
        for item in items
        for said in [message_of(item)]
    ]


def passages(store: BaseStore, agent_id: str, wanted: SearchForm, *, files: bool) -> list[PageHit]:
    """Return passages, those that were filed away or those of files, with why each was found."""
    place = namespaces.of(agent_id, "archival")
    condition = {**passing(wanted.tags, "any", wanted.dates), "file": {"$gt": ""} if files else ""}
    items = best_or_newest(store, place, wanted.query, filter=condition, limit=PAGE, page=wanted.page)
    close = _closeness(store, place, wanted.query, condition)
    return [
        PageHit(
            "file" if files else "passage",
            item.key,
            _marked(one.text, wanted.query),
            one.time,
            ", ".join(filter(None, [one.source, *one.tags])),
            _why(wanted.query, one.text, "", close.get(item.key)),
        )
        for item in items
        for one in [passage_of(item.value)]
    ]


def facts(store: BaseStore, agent_id: str, wanted: SearchForm) -> list[PageHit]:
    """Return facts, also those that no longer hold."""
    place = namespaces.of(agent_id, "facts")
    if wanted.query:
        found = KnowledgeGraph(store, agent_id).search(wanted.query, past=True, limit=PAGE * (wanted.page + 1))[
            PAGE * wanted.page :
        ]
        found = [fact for fact in found if _within(fact, wanted.dates)]
    else:
        items = best_or_newest(store, place, "", filter=wanted.dates, limit=PAGE, page=wanted.page)
        found = [Fact.from_value(item.value) for item in items]
    sentences = [(fact, f"{fact.subject} {fact.relation} {fact.object}") for fact in found]
    return [
        PageHit(
            "fact",
            fact.id,
            _marked(text, wanted.query),
            fact.time,
            "holds" if fact.open else "no longer holds",
            _why(wanted.query, text, "", None)
            or (["it is about what was named, or close to it"] if wanted.query else []),
        )
        for fact, text in sentences
    ]


def _within(fact: Fact, dates: Filter) -> bool:
    bounds: dict[str, str] = dates.get("time", {})
    return bounds.get("$gte", "") <= fact.time <= bounds.get("$lte", "9999")


def _closeness(store: BaseStore, place: tuple[str, ...], query: str, condition: Filter) -> dict[str, float]:
    """Return how close the closest items are to the query by meaning. What is not among them was not found by its meaning."""
    if not _WORD.search(query):
        return {}
    found = find(store, place, query, mode="meaning", filter=condition, limit=_CLOSEST)
    return {item.key: item.score for item in found if item.score is not None}


def _stems(text: str) -> set[str]:
    return {word for word in terms_of(text).words if len(word) > 1 or word.isdigit()}


def _why(query: str, text: str, beside: str, close: float | None) -> list[str]:
    """Return why something was found, in words."""
    if not _WORD.search(query):
        return []
    wanted, why = _stems(query), list[str]()
    own = wanted & _stems(text)
    if own:
        why.append(f"words: {', '.join(sorted(own))}")
    if close is not None and close >= _CLOSE:
        why.append(f"meaning: {close:.0%}")
    near = (wanted - own) & _stems(beside)
    if near:
        why.append(f"neighbours: {', '.join(sorted(near))} stands just before it, or in its day")
    return why or ["neighbours: what was said around it fits"]


def _marked(text: str, query: str) -> list[Piece]:
    """Return a text in pieces, cut to where the words stand that were looked for."""
    wanted = _stems(query) if _WORD.search(query) else set[str]()
    words = [match for match in _WORD.finditer(text[:20_000]) if wanted and wanted & _stems(match.group())]
    begin = max(0, words[0].start() - _SHOWN_CHARS // 3) if words else 0
    end, place, pieces = min(len(text), begin + _SHOWN_CHARS), begin, list[Piece]()
    for match in words:
        if begin <= match.start() and match.end() <= end:
            pieces += [Piece(text[place : match.start()], hit=False), Piece(match.group(), hit=True)]
            place = match.end()
    pieces.append(Piece(text[place:end], hit=False))
    return [
        *([Piece("… ", hit=False)] if begin else []),
        *(one for one in pieces if one.text),
        *([Piece(" …", hit=False)] if end < len(text) else []),
    ]
