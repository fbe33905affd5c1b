"""What long work reports while it runs: events are dictionaries with a name under `event`."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Watch = Callable[[Json], None]


def quiet(_event: Json) -> None:
    """Ignore every event."""
