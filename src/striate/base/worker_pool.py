"""Several child processes that share one row of calls; the answers come in the order of the calls, whoever gave them.

Call i goes to child i mod W, and a thread of this process reads what that child answers. So a verdict is about one call alone,
as with one child, and what lies ready is bounded. A child lives as long as the row, and is ended with it: at its end, when the
reader turns away, and when something fails.
"""

import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from queue import SimpleQueue

from striate.base.child_process import Answer, Child

_MOST_BY_ITSELF = 8


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(count: int | None = None, sharers: int = 1) -> int:
    """How many children to use: what was asked for, else a core each, at most 8, where `sharers` processes share the cores."""
    return count or max(1, min(_MOST_BY_ITSELF, cores() // sharers))


def in_order(
    where: str, arguments: Iterable[object], count: int, memory_mb: int = 1024, seconds: float = 10.0, ahead: int = 32
) -> Generator[Answer]:
    """Run a call for each argument in `count` children; one answer for each, in order. Close it to end them early.

    Each child starts with its first call; `memory_mb` and `seconds` are its limits as in `Child`. Arguments are drawn by
    threads of this process, one at a time. At most `ahead` answers lie ready, over all children.
    """
    dealer = _Dealer(arguments, count)
    lanes = [_Lane(Child(where, memory_mb, seconds), max(1, ahead // count)) for _ in range(count)]
    threads = [
        threading.Thread(target=lane.work, args=(dealer.to(number),), name=f"reader of child {number}", daemon=True)
        for number, lane in enumerate(lanes)
    ]
    try:
        for thread in threads:
            thread.start()
        turn = 0
        while (answer := lanes[turn % count].take()) is not None:
            yield answer
            turn += 1
        if dealer.failure is not None:
            raise dealer.failure
    finally:
        for lane in lanes:
            lane.end()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


class _Dealer:
    """Arguments dealt out to takers in turn; who needs the next draws for the others too."""

    def __init__(self, arguments: Iterable[object], takers: int) -> None:
        self.source = enumerate(arguments)
        self.hands: list[deque[object]] = [deque() for _ in range(takers)]
        self.lock = threading.Lock()
        self.failure: BaseException | None = None

    def to(self, taker: int) -> Iterator[object]:
        """The arguments of one taker, up to the end of the source or to where it failed."""
        hand = self.hands[taker]
        while True:
            with self.lock:
                while not hand and self._draw():
                    pass
                if not hand:
                    return
                argument = hand.popleft()
            yield argument

    def _draw(self) -> bool:
        if self.failure is not None:
            return False
        try:
            for number, argument in self.source:
                self.hands[number % len(self.hands)].append(argument)
                return True
        except BaseException as error:  # it happens in a reader's thread and is raised to the one who waits for the answers
            self.failure = error
        return False


class _Lane:
    """One child, and its answers that lie ready."""

    def __init__(self, child: Child, most: int) -> None:
        self.child = child
        self.ready: SimpleQueue[Answer | BaseException | None] = SimpleQueue()
        self.room = threading.Semaphore(most)
        self.over = False

    def work(self, arguments: Iterator[object]) -> None:
        """The thread: answers into the queue while there is room."""
        try:
            with self.child:
                for answer in self.child.map(arguments):
                    self.room.acquire()
                    if self.over:
                        return
                    self.ready.put(answer)
            self.ready.put(None)
        except BaseException as error:  # raised to the one who waits
            self.ready.put(error)

    def take(self) -> Answer | None:
        """The next answer; None after the last."""
        answer = self.ready.get()
        if isinstance(answer, BaseException):
            raise answer
        self.room.release()
        return answer

    def end(self) -> None:
        """Make the thread end soon, whatever it waits for."""
        self.over = True
        self.room.release()
        self.child.give_up()
