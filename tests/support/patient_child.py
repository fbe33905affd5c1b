"""A child process that is soon taken to hang, but only over calls that do, so that a busy machine changes no verdict."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from striate.base.child_process import Answer, Child

PATIENCE_SECONDS = 600.0
HANG_SECONDS = 0.2


class PatientChild(Child):
    """As `Child`, but a call `{"do": "hang"}` is given up after a fifth of a second, every other after ten minutes."""

    def map(self, arguments: Iterable[Any]) -> Iterator[Answer]:
        calls = deque[Any]()

        def noted() -> Iterator[Any]:
            for argument in arguments:
                calls.append(argument)
                yield argument

        answers = super().map(noted())
        try:
            while True:
                hangs = bool(calls) and isinstance(calls[0], dict) and calls[0].get("do") == "hang"
                self.hang_seconds = HANG_SECONDS if hangs else PATIENCE_SECONDS
                answer = next(answers, None)
                if answer is None:
                    return
                calls.popleft()
                yield answer
        finally:
            answers.close()
