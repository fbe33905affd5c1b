"""Progress in a notebook: one bar that is updated in place while a function runs, and gone when it ends.

IPython is not imported: where a Jupyter kernel runs this process, it has been.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from striate.base.events import Json, Pace, Watch
from striate.base.phrases import percent

_EVERY_SECONDS = 0.2


def in_kernel() -> bool:
    """Whether a Jupyter kernel runs this process; a terminal's IPython is none."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython is not None and hasattr(get_ipython(), "kernel")


@contextmanager
def progress_shown(clock: Callable[[], float] = time.monotonic) -> Iterator[Watch]:
    """What to watch events with for the block; the bar appears with the first event."""
    from IPython.display import display

    pace, epoch, handle, updated = Pace(clock), "", None, -_EVERY_SECONDS

    def watch(event: Json) -> None:
        nonlocal epoch, handle, updated
        if event["event"] == "epoch":
            epoch = f"epoch {event['epoch']}: validation accuracy {percent(event['accuracy'])}; "
        progress = pace.progress(event)
        if progress is None or (clock() - updated < _EVERY_SECONDS and not progress.over):
            return
        updated = clock()
        text = f"{epoch}{progress}"
        share = "" if progress.total is None else f' max="{progress.total}" value="{progress.done}"'
        bar = f"<progress{share}></progress> {escape(text)}"
        content = {"text/html": bar, "text/plain": text}
        if handle is None:
            handle = display(content, raw=True, display_id=True)
        else:
            handle.update(content, raw=True)

    try:
        yield watch
    finally:
        if handle is not None:
            handle.update({"text/html": "", "text/plain": ""}, raw=True)
