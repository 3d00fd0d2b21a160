"""Retention: what is older than so many days is forgotten, looked for once a day when an agent is opened."""

import logging
from datetime import timedelta

from memgpt_agent.errors import ConversationBusy, StoreError
from memgpt_agent.memory import namespaces
from memgpt_agent.memory.dates import stamp
from memgpt_agent.memory.forgetting.plan import ForgetPlanner
from memgpt_agent.store.plain import count

CHECKED = "retention"
"""The key of the note that says when this was last done."""
_EVERY = timedelta(days=1)
_log = logging.getLogger(__name__)


def keep_to_retention(planner: ForgetPlanner, days: int) -> None:
    """Forget what is older than this many days, unless that was done within a day; an error is logged."""
    store, now = planner.forgetting.store, planner.clock()
    place, until = namespaces.of(planner.agent_id, "forgotten"), stamp(now - timedelta(days=days))
    checked = store.get(place, CHECKED)
    if checked is not None and checked.value.get("time", "") > stamp(now - _EVERY) and checked.value.get("days", days + 1) <= days:
        return
    old = (
        count(store, namespaces.of(planner.agent_id, "recall"), {"time": {"$lt": until}})
        or count(store, namespaces.of(planner.agent_id, "journal"), {"time": {"$lt": until}})
        or count(store, namespaces.of(planner.agent_id, "archival"), {"time": {"$lt": until}, "file": ""})
        or count(store, namespaces.of(planner.agent_id, "facts"), {"time": {"$lt": until}})
    )
    try:
        if old:
            planner.before(until).erase()
    except (ConversationBusy, StoreError) as error:
        _log.warning("What is older than %d days is not forgotten yet; the next opening tries again: %s", days, error)
        return
    store.put(place, CHECKED, {"time": stamp(now), "days": days}, index=False)
