"""A child process whose limit in seconds holds only for calls that hang, so that a busy machine changes no verdict."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from striate.base.child_process import Answer, Child

PATIENCE_SECONDS = 600.0


class PatientChild(Child):
    """As `Child`, but only a call `{"do": "hang"}` is held to the limit; every other has ten minutes."""

    def map(self, arguments: Iterable[Any]) -> Iterator[Answer]:
        limit, calls = self.seconds, deque[Any]()

        def noted() -> Iterator[Any]:
            for argument in arguments:
                calls.append(argument)
                yield argument

        answers = super().map(noted())
        try:
            while True:
                hangs = bool(calls) and isinstance(calls[0], dict) and calls[0].get("do") == "hang"
                self.seconds = limit if hangs else PATIENCE_SECONDS
                answer = next(answers, None)
                if answer is None:
                    return
                calls.popleft()
                yield answer
        finally:
            answers.close()
            self.seconds = limit
