"""Updating the block about the user, line by line: what to add, replace and drop."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from memgpt_agent.models.guided.view import content_words

REPLACED = 0.55
"""A change ends a line that shares a word with it where the model finds that more likely than this."""
UNSEEN = 0.63
"""The same of a line that shares no word with it: asked of the message and of the fact, as unrelated lines reach 0.62."""
CONFLICT = 0.62
"""The same where nothing speaks of a change, but name or number is another one."""
SAME = 0.6
"""Two lines say the same where the model finds that more likely than this."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_BEFORE = re.compile(r"^(.*\S) Before: (.*\S) \(until ([^)]*)\)\.?$")
_QUOTED = re.compile(r'^The user said: "(.*)"$')
_AS_OF = re.compile(r" \(as of \d{4}-\d\d-\d\d\)$")
_OWN = re.compile(r"\b(i|i'm|i've|i'd|i'll|me|my|mine|myself|we|we're|we've|our|us)\b", re.IGNORECASE)
_SELF = re.compile(r"\b(I|[Ww]e)\b")
_ASKS = re.compile(
    r"^\W*(what|which|who|whom|whose|where|when|why|how|do|does|did|is|are|am|was|were|can|could|will|would|should|have|has|any)\b"
    r".*\?\W*$",
    re.IGNORECASE | re.DOTALL,
)
_CHANGE = re.compile(
    r"\b(now|new|no longer|any ?more|instead|moved?|moving|(?<!the )(?<!my )(?<!to )left(?!-)|quit|stopped|gave up|given up|"
    r"chang(?:e|es|ed|ing)|switched|sold|bought|replaced|became|married|divorced|retired|died|used to)\b",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\b(today|tonight|yesterday|tomorrow|right now|just now|at the moment|this (?:morning|afternoon|evening)|last night)\b",
    re.IGNORECASE,
)
_LIFE = re.compile(r"\b(born|grew up|raised|brought up|used to|studied|graduated|ago|since)\b", re.IGNORECASE)
_PASSING = re.compile(
    r"^The user(?:'s(?: (?!(?:is|are|was|were|has|have)\b)[^\W_]+){1,3}?)? (?:thank\w*|say\w*|said|told|ask\w*|want\w*|will|"
    r"found|felt|feel\w*|had|got|went|saw|came|slept|was|were|should|would|\w+ed|"
    r"(?:is|are) (?:back|tired|sleepy|busy|ready|confused|excited|glad|happy|sad|sorry|looking|feeling))\b"
)
_NEGATED = re.compile(r"\b(not|never|no longer|without)\b|n't\b", re.IGNORECASE)

Call = tuple[str, dict[str, Any]]


class Judge(Protocol):
    """What the model is asked."""

    def facts(self, message: str) -> list[str]:
        """Return what a message says of the user, one fact each."""
        ...

    def outdated(self, line: str, message: str) -> float:
        """Return how likely a message makes a line untrue."""
        ...

    def same(self, line: str, fact: str) -> float:
        """Return how likely both say the same."""
        ...

    def merged(self, line: str, fact: str, message: str, day: str) -> str:
        """Return the fact with what else the line held, which was true until that day."""
        ...


@dataclass(frozen=True)
class Said:
    """One thing that the user said."""

    day: str
    text: str


@dataclass
class _Entry:
    text: str
    original: str | None = None
    kept: bool = True
    until: str = ""
    """The day on which a change ended what the block said there."""


@dataclass
class Lines:
    """The lines of a block while they are brought up to date."""

    value: str
    judge: Judge
    archived: list[str] = field(default_factory=list[str])
    """What no longer needs to be in view."""
    entries: list[_Entry] = field(default_factory=list[_Entry])

    def __post_init__(self) -> None:
        self.entries = [_Entry(line, line) for line in self.value.split("\n")] if self.value else []

    def kept(self) -> list[_Entry]:
        """Return the lines that there are now."""
        return [entry for entry in self.entries if entry.kept and entry.text.strip()]

    def tidy(self) -> None:
        """Take out what is past and what is said twice, and quotations of passing things."""
        for entry in self.kept():
            if past := _BEFORE.match(entry.text):
                entry.text = past[1]
                self.archived.append(f"Until {past[3]}: {past[2]}")
            quoted = _QUOTED.match(entry.text)
            if quoted and (_ASKS.match(quoted[1]) or not _is_statement(quoted[1])):
                entry.kept = False
        for entry in self.kept():
            others = [other for other in self.kept() if other is not entry]
            if any(_repeats(entry.text, other.text) for other in others):
                entry.kept = False

    def hear(self, said: Said) -> None:
        """Bring the lines up to date with what was said."""
        if not _is_statement(said.text):
            return
        touched: list[_Entry] = []
        about = self._about(said.text)
        for fact in self.judge.facts(said.text):
            if _is_lasting(fact, said.text) and about in content_words(fact) | {""}:
                self._note(fact, said, touched)

    def _about(self, message: str) -> str:
        """Return the name with which a message begins, if the lines know it and the user says nothing of himself; else nothing."""
        first = next(iter(_WORD.findall(message)), "").removesuffix("'s")
        known = {name for entry in self.kept() for name in _marked(entry.text)}
        return "".join(content_words(first)) if first.lower() in known and not _SELF.search(message) else ""

    def _note(self, fact: str, said: Said, touched: list[_Entry]) -> None:
        """Put one fact where it belongs; what the same message put elsewhere stays."""
        change = bool(_CHANGE.search(said.text))
        covering = self._covering(fact, change)
        others = [entry for entry in self.kept() if entry is not covering and entry not in touched]
        outdated = self._outdated(fact, said.text, others) if change else None
        if covering is None and not change:
            outdated = self._contradicted(fact, said.text, others)
        if outdated is not None:
            outdated.until = said.day
        if covering is not None:
            touched.append(covering)
            if _QUOTED.match(covering.text):
                covering.text = fact
            if outdated is not None:
                outdated.kept = False
            return
        if outdated is not None:
            merged = self.judge.merged(_bare(outdated.text), fact, said.text, said.day)
            past = _BEFORE.match(merged)
            outdated.text = f"{past[1] if past else merged} (as of {said.day})"
        elif (outdated := self._elaborated(fact)) is not None:
            outdated.text = fact
        else:
            self.entries.append(outdated := _Entry(fact))
        touched.append(outdated)

    def _covering(self, fact: str, change: bool) -> _Entry | None:
        """Return the line that says it already."""
        held = next((entry for entry in self.kept() if _repeats(fact, entry.text)), None)
        if held is not None or change:
            return held
        meaning = content_words(fact)
        near = [e for e in self.kept() if content_words(_bare(e.text)) & meaning and not _differ(e.text, fact)]
        return _best(near, lambda entry: self.judge.same(_bare(entry.text), fact), SAME)

    def _outdated(self, fact: str, message: str, others: Sequence[_Entry]) -> _Entry | None:
        """Return the line that a change ends: the likeliest of those that share a word with it, else of all."""
        words = content_words(f"{message} {fact}")
        ended = [entry for entry in others if not _says_all(entry.text, fact)]
        near = [entry for entry in ended if content_words(_bare(entry.text)) & words]

        def ends(line: str, *texts: str) -> float:
            return min(self.judge.outdated(_bare(line), text) for text in texts)

        return _best(near, lambda entry: ends(entry.text, message), REPLACED) or _best(
            [entry for entry in ended if entry not in near], lambda entry: ends(entry.text, message, fact), UNSEEN
        )

    def _contradicted(self, fact: str, message: str, others: Sequence[_Entry]) -> _Entry | None:
        """Return the line that says another name or number of the same thing, and is no longer true."""
        words = content_words(fact)
        near = [e for e in others if content_words(_bare(e.text)) & words and _differ(e.text, fact)]
        return _best(near, lambda entry: self.judge.outdated(_bare(entry.text), message), CONFLICT)

    def _elaborated(self, fact: str) -> _Entry | None:
        """Return the line that is said in more words now."""
        return next((e for e in self.kept() if len(content_words(_bare(e.text))) > 1 and _says_all(fact, e.text)), None)

    def calls(self, label: str, limit_chars: int) -> list[Call]:
        """Return the edits that make the block what the lines are now; what has no room in it is filed."""
        calls: list[Call] = []
        lines = self.value.split("\n") if self.value else []
        for entry in [e for e in self.entries if e.original is not None and (not e.kept or e.text != e.original)]:
            place = max((n for n, line in enumerate(lines) if line == entry.original), default=-1)
            edit = _edit(lines, place, entry.text if entry.kept else None)
            if edit is not None:
                old, new, lines = edit
                calls.append(("memory_replace", {"label": label, "old_string": old, "new_string": new}))
        added = [entry.text for entry in self.entries if entry.original is None and entry.kept]
        room = limit_chars - len("\n".join(lines))
        fitting: list[str] = []
        for text in added:
            room -= len(text) + 1
            fitting += [text] if room >= 0 else []
        if fitting:
            calls.append(("memory_insert", {"label": label, "new_string": "\n".join(fitting)}))
        ended = [e for e in self.entries if e.original and e.until and not _says_all(e.text * e.kept, e.original)]
        past = [f"Until {entry.until}: {_bare(str(entry.original))}" for entry in ended]
        filed = [*self.archived, *past, *(text for text in added if text not in fitting)]
        return calls + [("archival_memory_insert", {"content": text}) for text in dict.fromkeys(filed)]


def _edit(lines: list[str], place: int, new: str | None) -> tuple[str, str, list[str]] | None:
    """Return old and new text of an edit of one line, as much around it as makes it unique, and the lines after it."""
    if place < 0:
        return None
    after = [*lines[:place], *([new] if new is not None else []), *lines[place + 1 :]]
    whole, least = "\n".join(lines), 1 if new is not None or len(lines) == 1 else 2
    for width in range(least, len(lines) + 1):
        for first in range(max(0, place + 1 - width), min(place, len(lines) - width) + 1):
            old = "\n".join(lines[first : first + width])
            if old and len(re.findall(f"(?={re.escape(old)})", whole)) == 1:
                return old, "\n".join(after[first : first + width - (new is None)]), after
    return None


def _best(entries: Sequence[_Entry], likely: Callable[[_Entry], float], least: float) -> _Entry | None:
    """Return the likeliest entry, if it is likelier than the least."""
    scored = [(likely(entry), entry) for entry in entries]
    score, best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    return best if score > least else None


def _bare(line: str) -> str:
    return _AS_OF.sub("", line)


def _is_statement(message: str) -> bool:
    """Whether a message may say something lasting of the user: it speaks of him or names somebody, and not of today alone."""
    speaks = bool(_OWN.search(message) or inner_names(message))
    return speaks and not (_MOMENT.search(message) and not _CHANGE.search(message))


def inner_names(text: str) -> set[str]:
    """Return the words with a capital that do not begin a sentence; "I" is none."""
    return {word for word in re.findall(r"(?<=[^.!?\s] )[A-Z][^\W_]+", text) if content_words(word)}


def _is_lasting(fact: str, message: str) -> bool:
    """Whether a fact rests on the message's own words and is not about a passing moment."""
    meaning = content_words(fact)
    if not meaning or 2 * len(meaning & content_words(message)) < len(meaning):
        return False
    return bool(not _PASSING.match(fact) or _CHANGE.search(message) or _LIFE.search(fact))


def _says_all(line: str, fact: str) -> bool:
    """Whether a line holds every word of meaning of a fact, and denies what that denies."""
    held, new = content_words(_bare(line)), content_words(_bare(fact))
    return bool(new) and new <= held and bool(_NEGATED.search(line)) == bool(_NEGATED.search(fact))


def _repeats(fact: str, line: str) -> bool:
    """Whether a fact says nothing that the line does not; of a single word, such as a name, only where the line holds no other."""
    words = content_words(_bare(fact))
    return _says_all(line, fact) and (len(words) > 1 or words == content_words(_bare(line)))


def _marked(text: str) -> set[str]:
    """Return the names and numbers of a text that begins with "The user"."""
    return {
        word.lower().removesuffix("'s") for word in _WORD.findall(text)[2:] if word[0].isupper() or word[0].isdigit()
    }


def _differ(line: str, fact: str) -> bool:
    """Whether each has a name or number that the other has not."""
    one, other = _marked(_bare(line)), _marked(fact)
    return bool(one - other) and bool(other - one)


def without_questions(text: str) -> str:
    """Return the sentences that ask nothing."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return " ".join(sentence for sentence in sentences if not _ASKS.match(sentence)).strip()
