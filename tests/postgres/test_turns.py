"""Turns that are broken off, taken over, sent again or asked about: what holds on SQLite holds on Postgres."""

from tests.test_exactly_once import (
    test_a_client_that_does_not_finish_a_pending_step_gets_its_call_answered,
    test_a_fork_that_asks_the_model_anew_may_add_memories,
    test_a_heartbeat_sent_again_is_handled_once,
    test_a_turn_that_failed_gives_way_to_the_next_message,
    test_a_turn_that_was_taken_over_writes_no_checkpoint,
    test_an_event_sent_again_in_a_loop_is_given_its_first_answer,
    test_an_event_sent_again_is_given_its_first_answer,
    test_an_orphan_call_that_another_tool_left_is_repaired_on_load,
    test_replaying_the_tools_writes_nothing_new,
)
from tests.turns.test_both_faces import *  # noqa: F403

__all__ = [
    "test_a_client_that_does_not_finish_a_pending_step_gets_its_call_answered",
    "test_a_fork_that_asks_the_model_anew_may_add_memories",
    "test_a_heartbeat_sent_again_is_handled_once",
    "test_a_turn_that_failed_gives_way_to_the_next_message",
    "test_a_turn_that_was_taken_over_writes_no_checkpoint",
    "test_an_event_sent_again_in_a_loop_is_given_its_first_answer",
    "test_an_event_sent_again_is_given_its_first_answer",
    "test_an_orphan_call_that_another_tool_left_is_repaired_on_load",
    "test_replaying_the_tools_writes_nothing_new",
]
