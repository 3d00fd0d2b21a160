"""Is what was said still found when the window is small? Conversations replayed through the real graph, then asked about."""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.embedding import cached_embedding
from benchmarks.endurance.replay import Life, even, lived, percent, readable, share
from benchmarks.locomo import CATEGORIES, Conversation, read
from benchmarks.machine import publish, table
from memgpt_agent.tokens import resolve_token_counter

OURS, SEEN, DIRECT, LAST, WHOLE = (
    "agent, one search",
    "agent, no search",
    "index directly",
    "last N messages",
    "whole conversation",
)
Scores = dict[tuple[str, int], list[float]]


def run(
    conversation: Conversation,
    window_tokens: int,
    embedding: Any,
    limit: int,
    scores: Scores,
    tokens: dict[str, list[int]],
) -> int:
    """Live one conversation in one window, ask its questions and note the shares; return how many messages were evicted."""
    turns = lived(conversation)
    by_id = {turn.id: turn for turn in turns}
    with tempfile.TemporaryDirectory(prefix="endurance-") as folder:
        life = Life(Path(folder), window_tokens, embedding, limit)
        with life.agent:
            evicted = life.live(turns)
            counter = resolve_token_counter(None).count_text
            room = life.budget_tokens() - life.fixed_tokens()
            lines = [even(turn.text) for turn in turns]
            last = " ".join(_last(lines, room, counter))
            whole = " ".join(lines)
            costs = {LAST: life.fixed_tokens() + counter(last), WHOLE: life.fixed_tokens() + counter(whole)}
            for question in conversation.questions:
                before, after = life.ask(question)
                texts = {
                    OURS: readable(after), SEEN: readable(before), LAST: last, WHOLE: whole,
                    DIRECT: even(" ".join(life.directly(question, limit))),
                }  # fmt: skip
                for name, text in texts.items():
                    scores[name, question.category].append(share(question.evidence, by_id, text))
                first, second = (sum(counter(m.text) for m in sent) for sent in (before, after))
                tokens[OURS].append(first + second)
                tokens[SEEN].append(first)
                tokens[LAST].append(costs[LAST])
                tokens[WHOLE].append(costs[WHOLE])
    return evicted


def _last(lines: Sequence[str], room: int, counter: Any) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        room -= counter(line) + 4
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]


def report(scores: Scores, tokens: dict[str, list[int]]) -> str:
    """Return one window's shares as a Markdown table."""
    rows: list[list[Any]] = []
    for name in (OURS, DIRECT, SEEN, LAST, WHOLE):
        first_four = [x for category in (1, 2, 3, 4) for x in scores[name, category]]
        cost = f"{statistics.mean(tokens[name]):,.0f}" if tokens[name] else "–"
        rows.append([name, percent(first_four), *(percent(scores[name, category]) for category in CATEGORIES), cost])
    return table(["", "categories 1-4", *CATEGORIES.values(), "tokens sent a question"], rows)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("file", type=Path, help="a LoCoMo file")
    parser.add_argument("--windows", default="4096,8000", help="context windows in tokens, with commas")
    parser.add_argument("--limit", type=int, default=10, help="results of the one search")
    parser.add_argument("--only", type=int, help="so many conversations")
    parser.add_argument("--out", type=Path, help="write the Markdown here as well")
    given = parser.parse_args()
    embedding = cached_embedding()
    parts: list[str] = []
    for window in (int(text) for text in given.windows.split(",")):
        scores: Scores = defaultdict(list)
        tokens: dict[str, list[int]] = defaultdict(list)
        evictions: list[str] = []
        for conversation in read(given.file)[: given.only]:
            evicted = run(conversation, window, embedding, given.limit, scores, tokens)
            evictions.append(f"{conversation.id}: {evicted:,} of its messages were evicted")
            print(
                f"  window {window:,}, {evictions[-1]}; so far {percent(scores[OURS, 4])} % of single-hop",
                file=sys.stderr,
            )
        questions = sum(len(v) for (name, _), v in scores.items() if name == OURS)
        how = (
            f"{questions:,} questions, one search of {given.limit} results; the share of a question's evidence turns in what "
            f"the model was sent, in per cent. {'; '.join(evictions)}."
        )
        parts += [f"## Window of {window:,} tokens", how, report(scores, tokens)]
    publish("Endurance: found again after it left the window", *parts, out=given.out)


if __name__ == "__main__":
    main()
