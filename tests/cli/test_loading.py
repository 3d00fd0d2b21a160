"""What is got behind the prompt: its value, its error, and who is told when it is there."""

import threading

import pytest

from memgpt_agent.cli.chat import Loading


def test_the_value_is_waited_for_and_whoever_asked_is_told_once() -> None:
    """Before it is there, and after it."""
    go, told = threading.Event(), []
    loading = Loading(lambda: go.wait(10) and "agent")
    loading.start()
    loading.when_finished(lambda: told.append("early"))
    assert (told, loading.got, loading.failed) == ([], [], False)
    go.set()
    assert loading.value() == "agent"
    loading.when_finished(lambda: told.append("late"))
    assert told == ["early", "late"]
    assert loading.got == ["agent"]


def test_an_error_is_raised_where_the_value_is_wanted() -> None:
    """Not in the thread that met it."""
    failed = threading.Event()

    def get() -> str:
        raise ValueError("no key")

    loading = Loading(get)
    loading.when_finished(failed.set)
    loading.start()
    assert failed.wait(10)
    assert loading.failed
    with pytest.raises(ValueError, match="no key"):
        loading.value()
