"""A process that holds a model, and the thread from which it is called: Linux ends a child with the thread that started it."""

from concurrent.futures import Future, ThreadPoolExecutor

from striate.base.child_process import Answer, Child
from striate.base.errors import StriateError

_HANG_SECONDS = 60.0


class InferenceProcess:
    """Calls of one process follow each other. It is started by the first, and by the first after it died."""

    def __init__(self, worker: str) -> None:
        self._child = Child(worker, memory_mb=0, seconds=0, tries=1)
        self._child.hang_seconds = _HANG_SECONDS
        self.thread = ThreadPoolExecutor(1, "inference")
        self._loading: Future[Answer] | None = None

    @property
    def process_id(self) -> int | None:
        """Of the process, while there is one."""
        return self._child.process_id

    @property
    def is_starting(self) -> bool:
        """Whether it is loading the model."""
        return self._loading is not None and not self._loading.done()

    @property
    def is_dead(self) -> bool:
        """Whether it has ended between calls, and nothing has been done about that."""
        return not self.is_starting and self._child.died

    @property
    def is_down(self) -> bool:
        """Whether nothing runs, and nothing is being started; asked between calls."""
        return not self.is_starting and (self.process_id is None or self._child.died)

    def load(self, argument: object) -> "Future[Answer]":
        """Start it, anew where it runs, and have it load what the argument says."""
        self._loading = self.thread.submit(self._load, argument)
        return self._loading

    def call(self, argument: object, content: bytes) -> Answer:
        """One call, in its thread."""
        try:
            return self._child.call(argument, content)
        except StriateError as error:  # it does not start, or was given up
            return Answer(None, b"", str(error), outage=True)

    def forget(self) -> None:
        """Do no more about a process that has died; the next call starts another."""
        self.thread.submit(self._child.close)

    def close(self) -> None:
        """End it."""
        self._child.give_up()
        self.thread.shutdown(wait=True, cancel_futures=True)
        self._child.close()

    def _load(self, argument: object) -> Answer:
        self._child.close()  # one that raised, and did not die, may be broken too
        return self.call(argument, b"")
