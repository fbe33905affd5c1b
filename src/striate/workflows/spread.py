"""Trainings that do not wait for each other, given to the workers of a Ray cluster: folds, trials and strategies.

Each is one that a stopped run would resume: it has a folder of its own, and what a worker is told is that folder's path and its
own name. So whoever has spread them goes through them afterwards as on one machine, finds each finished, and trains what is
not. All machines see the folder of runs and the images under the same paths.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from striate.base.errors import SettingError, StriateError
from striate.base.option_names import option
from striate.base.phrases import plural
from striate.workflows import cluster

log = logging.getLogger("striate")

_TRIES_AGAIN = 5  # where a worker dies, as it does when memory is short
_SECONDS = 1.0  # between two looks at whether the command is to end

_address: ContextVar[str | None] = ContextVar("ray_address", default=None)


class Call(NamedTuple):
    """A training that a worker is given."""

    name: str  # as it is logged
    function: Callable[..., object]  # of a module; what it returns is left where it is
    arguments: tuple[Any, ...]  # paths, names, numbers and settings


@contextmanager
def over(address: str | None) -> Iterator[None]:
    """Within the block independent trainings go to the cluster at this address; None for one after the other."""
    if address is not None:
        cluster.check(address)
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


def refuse_unused(trainings: int) -> None:
    """Refuse a cluster where there are less than two trainings that do not wait for each other."""
    if (address := _address.get()) is not None and trainings < 2:
        raise SettingError(
            f"{option('ray_address', address)} applies to folds, and to several strategies of a fine-tuning; this run has one "
            "training. Leave it out."
        )


def run(calls: Sequence[Call], check: Callable[[], None]) -> None:
    """Run the calls by the workers of the cluster, if there is one; one whose worker dies is run again.

    A call that fails is left to whoever goes through them afterwards. `check` is called each second, and may end it.

    Raises:
        StriateError: there is no such cluster, or its workers cannot run striate.

    """
    address = _address.get()
    if address is None or not calls:
        return
    with cluster.connected(address) as connection:
        ray, threads = connection.ray, _threads(connection)
        log.info("%s by %s of %s each.", plural(len(calls), "training"), _workers(connection, threads), plural(threads, "CPU"))
        task = ray.remote(_called).options(num_cpus=threads, max_retries=_TRIES_AGAIN)
        waiting = {task.remote(str(Path.cwd()), threads, call.function, call.arguments): call for call in calls}
        try:
            while waiting:
                for ended in ray.wait(list(waiting), timeout=_SECONDS)[0]:
                    call, failure = waiting.pop(ended), ray.get(ended)
                    log.info("%s: %s", call.name, failure or f"done, {len(calls) - len(waiting)} of {len(calls)}")
                check()
        except ray.exceptions.RayError as error:
            text = str(error).strip().splitlines() or [type(error).__name__]
            raise StriateError(f"a worker of the Ray cluster failed: {text[-1]}") from error
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def _threads(connection: cluster.Cluster) -> int:
    """As many as train here, since the last bits of sums depend on them."""
    import torch

    return max(1, min(torch.get_num_threads(), connection.cpus_of_smallest))


def _workers(connection: cluster.Cluster, threads: int) -> str:
    return plural(connection.workers(threads), "worker")


def _called(folder: str, threads: int, function: Callable[..., object], arguments: tuple[Any, ...]) -> str | None:
    """In a worker: the sentence of the error that ended the call; None where none did."""
    import torch

    try:
        os.chdir(folder)
    except FileNotFoundError:
        return cluster.absent_folder(folder)
    torch.set_num_threads(threads)
    log.setLevel(logging.ERROR)
    try:
        function(*arguments)
    except StriateError as error:
        return f"on the machine {cluster.machine()}: {error}"
    return None
