"""Finding what is to be forgotten, and what was made of it: by the words, by the turn that made it, by quotation, by saying the same."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from memgpt_agent.memory.forgetting.stored_items import SAID, StoredItems, Value, main_text
from memgpt_agent.memory.forgetting.words import Needles, excerpt, says_the_same, sentences, share, telling

Kind = Literal["message", "journal", "passage", "retired passage", "fact", "name", "upload", "correction", "task", "line"]
KINDS: dict[str, Kind] = {
    "recall": "message", "journal": "journal", "archival": "passage", "retired": "retired passage", "facts": "fact", "entities": "name",
    "uploads": "upload", "corrections": "correction", "tasks": "task",
}  # fmt: skip
"""The names of the items of each tier that can be forgotten as a whole."""
NEAR = 0.6
"""An item that shares this much of its significant words is listed, unticked: a person decides."""
_NEAR_LISTED = 20
_ROOTS_COMPARED = 50
"""For this many of the things found, the search looks for others that say the same, or nearly."""


@dataclass(frozen=True)
class ForgetCandidate:
    """One item found."""

    id: str
    """By which it is ticked: a message's, passage's or fact's own; of a line of a block its label and number."""
    kind: Kind
    """What it is."""
    text: str
    """Its text, shortened."""
    why: str
    """Why it is listed."""
    ticked: bool = True
    """Whether it is erased."""
    time: str = ""
    """When it was said or stored."""
    tier: str = ""
    """Its namespace."""
    quotable: str = field(default="", repr=False)
    """The part of it that others may quote."""
    thread_id: str = ""
    """The conversation of a message."""
    label: str = ""
    """The block of a line."""
    times: int = 1
    """How often a line stands in its block."""


class BlockLine(NamedTuple):
    """A line of a block, in whatever versions it appears."""

    label: str
    text: str
    turns: frozenset[str]
    """The turns in which it was written."""
    now: int
    """Its number in the block as it is; 0 where it stands in older versions only."""
    since: str
    """When it was first written, ISO 8601, UTC."""
    times: int
    """How often it stands in the block as it is; 1 where it stands in older versions only."""


class Finder:
    """Searches one agent's memory and gathers what it finds."""

    def __init__(self, holdings: StoredItems) -> None:
        self.holdings = holdings
        self.found: dict[tuple[str, str], ForgetCandidate] = {}
        self.lines = lines_of(holdings)

    def add(self, tier: str, key: str, value: Value, why: str, *, ticked: bool = True, quotable: str | None = None) -> None:
        """Gather an item; one that is ticked already stays so."""
        known = self.found.get((tier, key))
        if known is None or (ticked and not known.ticked):
            text = main_text(tier, value)
            shown = excerpt(text, Needles(quoted=[quotable]) if quotable else Needles())
            said = quotable if quotable is not None else "" if value.get("echo") else text
            time, thread = _time(value), str(value.get("thread_id", ""))
            self.found[tier, key] = ForgetCandidate(key, KINDS[tier], shown, why, ticked, time, tier, said, thread)
        if tier == "recall" and (before := self.holdings.tier("corrections").get(key)) is not None:
            self.add("corrections", key, before, "what a message said before", ticked=ticked)

    def add_line(self, line: BlockLine, why: str, *, ticked: bool = True, quotable: str | None = None) -> None:
        """Gather a line of a block; ``quotable`` is the part of it that goes, if it is not the whole line."""
        digest = blake2b(line.text.encode("utf-8", "replace"), digest_size=4).hexdigest()
        name = f"{line.label}:{line.now or f'old:{digest}'}"
        key = ("line", f"{line.label}\n{line.text}")
        known = self.found.get(key)
        if known is None or (ticked and not known.ticked):
            said = line.text if quotable is None else quotable
            self.found[key] = ForgetCandidate(name, "line", line.text, why, ticked, line.since, "core", said, label=line.label, times=line.times)

    def items(self) -> Iterator[tuple[str, str, Value]]:
        """Yield the items that can go as a whole: their tier, key and value."""
        for tier in KINDS:
            for key, value in self.holdings.things(tier).items():
                yield tier, key, value

    # What is meant

    def by_words(self, query: str) -> bool:
        """Gather items with these very words; return whether there are any."""
        needles = Needles([query])
        for tier, key, value in self.items():
            holding = [text for text in self.holdings.texts(tier, key, value) if needles.literally_in(text)]
            if holding:
                quotable = "\n".join(_holding(text, needles) for text in holding)
                self.add(tier, key, value, "holds the words", quotable="" if value.get("echo") or tier == "uploads" else quotable)
        for line in self.lines:
            if needles.literally_in(line.text):
                self.add_line(line, "holds the words", quotable=_holding(line.text, needles))
        return bool(self.found)

    def by_id(self, name: str) -> bool:
        """Gather the one thing of this id, or the line LABEL:NUMBER of a block; return whether there is one."""
        for tier in KINDS:
            if (value := self.holdings.things(tier).get(name)) is not None:
                self.add(tier, name, value, "named")
                return True
        label, _, number = name.rpartition(":")
        for line in self.lines:
            if label and line.label == label and number.isdigit() and line.now == int(number):
                self.add_line(line, "named")
                return True
        return False

    def where(self, passes: Callable[[Value], bool], why: str) -> None:
        """Gather all messages that pass, and what is kept of corrected ones."""
        for tier in (*SAID, "corrections"):
            for key, value in self.holdings.tier(tier).items():
                if passes(value):
                    self.add(tier, key, value, why)

    # What was made of it

    def of_turns(self, turns: set[str], *, words: set[str] | None) -> None:
        """Gather what was said, done and written in these turns; where ``words`` are given, what shares one with them."""
        calls = self.holdings.calls_of(turns)

        def fits(text: str, least: int) -> bool:
            return words is None or len(telling(text) & words) >= least

        for tier, key, value in self.items():
            made = {value.get("cause"), *(value.get("causes") or ())} & calls
            observed = tier == "archival" and self.holdings.messages.get(str(value.get("message")), {}).get("turn") in turns
            if (made or observed) and fits(main_text(tier, value), 1):
                self.add(tier, key, value, "written in the same turn")
            elif value.get("turn") in turns and fits(main_text(tier, value), 2):
                self.add(tier, key, value, "said in the same turn", quotable=_shared(main_text(tier, value), words))
        for line in self.lines:
            if line.turns & turns and fits(line.text, 1):
                self.add_line(line, "written in the same turn")

    def quoting(self, texts: Iterable[str], *, speech: bool) -> None:
        """Gather what quotes these texts; people say many a thing twice, so what was said only where ``speech`` is asked for."""
        needles = Needles(quoted=texts)
        if not needles:
            return
        for tier, key, value in self.items():
            said = tier in SAID and value.get("role") != "tool"
            if (speech or not said) and (tier, key) not in self.found and any(map(needles.quoted_in, self.holdings.texts(tier, key, value))):
                self.add(tier, key, value, "quotes it", quotable="")
        for line in self.lines:
            if needles.quoted_in(line.text):
                self.add_line(line, "quotes it")

    def spare(self, *, older: bool) -> None:
        """Let nothing count as quoted that stands in what stays as well: all of it, or only what stood there before it was said.

        A reply may repeat another user's passage, and a block of today what somebody said long ago.
        """
        roots = [(place, one) for place, one in self.found.items() if one.ticked and one.quotable]
        needles = Needles(quoted=[one.quotable for _, one in roots])
        lines = (line for line in self.lines if (older or line.now) and ("line", f"{line.label}\n{line.text}") not in self.found)
        standing = [(line.since, line.text) for line in lines]
        for tier, key, value in self.items():
            if (tier, key) not in self.found:
                standing += [(_time(value), text) for text in self.holdings.texts(tier, key, value)]
        standing = [(since, text) for since, text in standing if needles.quoted_in(text)]
        for place, one in roots:
            texts = [text for since, text in standing if not older or since < one.time]
            if texts:
                own = [part for part in sentences(one.quotable) if not any(map(Needles(quoted=[part]).quoted_in, texts))]
                self.found[place] = replace(one, quotable="\n".join(own))

    def alike(self, texts: Iterable[str]) -> None:
        """Gather what says the same as one of these texts, and, unticked, what says nearly that."""
        roots = [words for text in texts for words in [telling(text)] if words][:_ROOTS_COMPARED]
        near: list[tuple[float, Callable[[], None]]] = []
        for tier, key, value in self.items():
            if (tier, key) in self.found or value.get("echo") or tier == "uploads":
                continue
            words = telling(main_text(tier, value))
            if any(says_the_same(words, root) for root in roots):
                self.add(tier, key, value, "says the same")
            elif (degree := _nearest(words, roots)) >= NEAR:
                near.append((degree, lambda t=tier, k=key, v=value: self.add(t, k, v, "nearly the same", ticked=False)))
        for line in self.lines:
            words = telling(line.text)
            if any(says_the_same(words, root) for root in roots):
                self.add_line(line, "says the same")
            elif (degree := _nearest(words, roots)) >= NEAR:
                near.append((degree, lambda one=line: self.add_line(one, "nearly the same", ticked=False)))
        for _, add in sorted(near, key=lambda pair: -pair[0])[:_NEAR_LISTED]:
            add()

    def sent_along(self) -> None:
        """Gather the pictures and files that came with the messages that go."""
        for key, value in self.holdings.tier("uploads").items():
            if self._goes("recall", str(value.get("message", ""))):
                self.add("uploads", key, value, "came with it", quotable="")

    def orphans(self) -> None:
        """Gather names that no fact mentions any more."""
        facts = self.holdings.tier("facts")
        gone = [facts[key] for (tier, key), one in self.found.items() if tier == "facts" and one.ticked]
        left = [value for key, value in facts.items() if not self._goes("facts", key)]
        used = {end for value in left for end in (value["subject_id"], value["object_id"])}
        for name in {end for value in gone for end in (value["subject_id"], value["object_id"])} - used - {""}:
            entity = self.holdings.tier("entities").get(name)
            if entity is not None and not entity.get("names") and not entity.get("same_as"):
                self.add("entities", name, entity, "no fact names it any more", quotable="")

    def _goes(self, tier: str, key: str) -> bool:
        one = self.found.get((tier, key))
        return one is not None and one.ticked


def made_of(finder: Finder) -> None:
    """Gather what was derived from the items found by name or by words."""
    roots = [one for one in finder.found.values() if one.ticked]
    quotable = [one.quotable for one in roots if one.quotable]
    words = {word for text in quotable for word in telling(text)}
    said = [finder.holdings.messages[one.id] for one in roots if one.id in finder.holdings.messages]
    turns = {str(value.get("turn")) for value in said if not value.get("echo")}
    turns |= {turn for line in finder.lines if ("line", f"{line.label}\n{line.text}") in finder.found for turn in line.turns}
    turns |= {turn for one in roots for turn in _turns_of_causes(finder.holdings, one)}
    finder.of_turns(turns - {"", "None"}, words=words)
    finder.quoting(quotable, speech=True)
    finder.alike(quotable)
    finder.sent_along()
    finder.orphans()


def lines_of(holdings: StoredItems) -> list[BlockLine]:
    """Return the lines of an agent's own blocks as they are and were, each with the turns that wrote it."""
    now = {str(v["label"]): str(v["value"]).split("\n") for v in holdings.tier("core").values() if not v.get("shared")}
    versions = holdings.versions()
    found: list[BlockLine] = []
    for label in {**dict.fromkeys(now), **dict.fromkeys(versions)}:
        turns: dict[str, set[str]] = {}
        since: dict[str, str] = {}
        before: set[str] = set()
        for version in versions.get(label, []):
            lines = str(version["value"]).split("\n")
            for line in lines:
                written = turns.setdefault(line, set())
                since.setdefault(line, str(version["time"]))
                if line not in before:
                    written.add(str(version.get("turn") or ""))
            before = set(lines)
        current = now.get(label, [])
        for line in dict.fromkeys([*current, *turns]):
            if line.strip():
                place = current.index(line) + 1 if line in current else 0
                written, times = frozenset(turns.get(line, set()) - {""}), max(1, current.count(line))
                found.append(BlockLine(label, line, written, place, since.get(line, ""), times))
    return found


def _turns_of_causes(holdings: StoredItems, one: ForgetCandidate) -> set[str]:
    """Return the turns in which a passage or fact was written."""
    value: dict[str, Any] = holdings.things(one.tier).get(one.id, {})
    causes = {value.get("cause"), *(value.get("causes") or ())}
    return {str(holdings.messages[cause].get("turn")) for cause in causes if cause in holdings.messages}


def _time(value: Value) -> str:
    """Return when a thing was said or stored."""
    return str(value.get("time") or value.get("added", ""))


def _holding(text: str, needles: Needles) -> str:
    """Return the sentences of a text that hold the words; the words themselves where they stand in none of them whole."""
    return "\n".join(part for part in sentences(text) if needles.literally_in(part)) or "\n".join(needles.literal)


def _nearest(words: set[str], roots: list[set[str]]) -> float:
    return max((share(words, root) for root in roots if len(words & root) > 1), default=0.0)


def _shared(text: str, words: set[str] | None) -> str:
    """Return the sentences of a text that share a word with these: others may quote them; all of it if there are no words."""
    return text if words is None else "\n".join(part for part in sentences(text) if telling(part) & words)

