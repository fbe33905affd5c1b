"""The `striate` command, also as `python -m striate`: it answers signals before anything else is imported."""

import atexit
import gc
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

EXIT_INTERRUPTED = 75
_LAUNCHER_SECONDS = 0.5  # between two looks at whether the launcher is there
_GRACE_SECONDS = 10.0  # for a step, a checkpoint and what else an orderly end takes
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
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
    # Of what is imported nothing is garbage: looking for it after each 700 new objects takes an eighth of the import of torch
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:  # the second one does not wait for what the first one ends
            os._exit(EXIT_INTERRUPTED)
        interrupted = True
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    launched = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1
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
    _leave(code, launched)


def _leave(code: int, launched: bool) -> NoReturn:
    """End the process once what is to be done at exit has been done, without taking apart every object of the interpreter.

    That would take half a second where torch has been imported. And in a process of torchrun a thread of torch.distributed is
    now and then destroyed while it runs, which aborts the process and makes torchrun call a finished run failed.
    """
    if not launched:
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            raise SystemExit(code)  # the interpreter waits for it
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a reader that has gone, a full disk, a closed stream: `main` has answered
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
