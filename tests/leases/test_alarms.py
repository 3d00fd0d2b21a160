"""Alarms: calls that are made later, unless whoever asked for them is no more."""

import os
import queue
import threading
import weakref

import pytest

from memgpt_agent.leases.lease import Alarms

WAIT_SECONDS = 20


class Sleeper:
    """Notes in a queue that it was called."""

    def __init__(self, name: str, woken: "queue.Queue[str]") -> None:
        self.name, self.woken = name, woken

    def wake(self) -> None:
        """Be called."""
        self.woken.put(self.name)


def test_each_is_called_once_in_the_order_of_their_times() -> None:
    """Also where one that is due earlier is set later."""
    alarms, woken = Alarms(), queue.Queue[str]()
    sleepers = [Sleeper(name, woken) for name in ("late", "soon", "between")]
    for sleeper, seconds in zip(sleepers, (0.6, 0.1, 0.35), strict=True):
        alarms.set(seconds, weakref.WeakMethod(sleeper.wake))
    assert [woken.get(timeout=WAIT_SECONDS) for _ in sleepers] == ["soon", "between", "late"]
    with pytest.raises(queue.Empty):
        woken.get(timeout=0.2)


def test_who_is_no_more_is_not_called_and_not_kept() -> None:
    """Nearly every lease is given back long before it has to be renewed: nothing may hold on to it."""
    alarms, woken = Alarms(), queue.Queue[str]()
    gone, there = Sleeper("gone", woken), Sleeper("there", woken)
    kept = weakref.ref(gone)
    alarms.set(0.1, weakref.WeakMethod(gone.wake))
    alarms.set(0.2, weakref.WeakMethod(there.wake))
    del gone
    assert kept() is None
    assert woken.get(timeout=WAIT_SECONDS) == "there"


def test_one_that_hangs_holds_up_no_other() -> None:
    """Each call has a thread of its own: a store that is busy does not cost other stores their leases."""
    alarms, woken, end = Alarms(), queue.Queue[str](), threading.Event()

    class Hanging(Sleeper):
        def wake(self) -> None:
            self.woken.put("hangs")
            end.wait(WAIT_SECONDS)

    hanging, other = Hanging("hanging", woken), Sleeper("other", woken)
    alarms.set(0.05, weakref.WeakMethod(hanging.wake))
    alarms.set(0.1, weakref.WeakMethod(other.wake))
    assert [woken.get(timeout=WAIT_SECONDS), woken.get(timeout=WAIT_SECONDS)] == ["hangs", "other"]
    end.set()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_works_in_a_forked_process() -> None:
    """A fork has no threads but its own; what its parent waited for is its parent's business."""
    alarms, woken = Alarms(), queue.Queue[str]()
    parents = Sleeper("parent's", woken)
    alarms.set(0.1, weakref.WeakMethod(parents.wake))
    assert woken.get(timeout=WAIT_SECONDS) == "parent's"
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        own = Sleeper("child's", woken)
        alarms.set(0.1, weakref.WeakMethod(own.wake))
        os.write(write, woken.get(timeout=WAIT_SECONDS).encode())
        os._exit(0)
    assert os.read(read, 100) == b"child's"
    assert os.waitpid(child, 0)[1] == 0
    os.close(read)
    os.close(write)
