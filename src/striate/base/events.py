"""What long work reports while it runs: events are dictionaries with a name under `event`."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Watch = Callable[[Json], None]


def progress(watch: Watch, event: str, check: Callable[[], None] | None = None) -> Callable[[int, int], None]:
    """A function of how many are done and of how many, which reports them as `event`; `check` may then end the work."""

    def report(done: int, total: int) -> None:
        watch({"event": event, "done": done, "total": total})
        if check is not None:
            check()

    return report


def quiet(_event: Json) -> None:
    """Ignore every event."""
