"""The `striate` command, also as `python -m striate`: it answers signals before anything else is imported."""

import os
import signal
import sys
import threading
import time
from types import FrameType

EXIT_INTERRUPTED = 75
_LAUNCHER_SECONDS = 0.5  # between two looks at whether the launcher is there
_GRACE_SECONDS = 10.0  # for a step, a checkpoint and what else an orderly end takes
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


def _end_with_launcher(launcher: int) -> None:
    """Ask this process to stop once its parent is another, and end it where that does not help, as in a call that waits."""
    while os.getppid() == launcher:
        time.sleep(_LAUNCHER_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(EXIT_INTERRUPTED)


def run() -> None:
    """Run the command line and end the process by its exit code, which is 75 after a signal, whenever it comes."""
    interrupted = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:  # the second one does not wait for what the first one ends
            os._exit(EXIT_INTERRUPTED)
        interrupted = True
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if launched:
        threading.Thread(target=_end_with_launcher, args=(os.getppid(),), daemon=True).start()
    try:
        from striate.cli.main import main

        code = main()
    except KeyboardInterrupt:  # while the command line was imported; later ones are for it to answer
        print("striate: Interrupted; nothing is lost: run the same command again.", file=sys.stderr)
        code = EXIT_INTERRUPTED
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # all is done; on its way out the interpreter would die of one
    if launched:
        # All is written by now. On the way out of the interpreter a thread of torch.distributed is now and then destroyed
        # while it runs, which aborts the process and makes torchrun call a finished run failed.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)


if __name__ == "__main__":
    run()
