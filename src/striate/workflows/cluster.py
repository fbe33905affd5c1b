"""The Ray cluster that work is spread over: one that is there, or one that is started on this machine for one command.

Ray is imported within these functions alone. Its usage statistics and its dashboard are off, and what it logs goes to files.
Whoever reaches a cluster can run code on all of its machines: a cluster is trusted as this machine is.
"""

import logging
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from striate.base import files, worker_pool
from striate.base.errors import MissingExtraError, RunError, SettingError, StriateError
from striate.base.option_names import option
from striate.base.phrases import plural

log = logging.getLogger("striate")

LOCAL = "local"
STORE_BYTES = 256 * 2**20  # of a cluster that is started here: what lies between its processes
_REACH_SECONDS = 10.0
_FOLDER = "striate-ray-"
_AUTHENTICATION = "RAY_AUTH_MODE"
_QUIET = "version: 1\ndisable_existing_loggers: false\nloggers: {ray.data: {level: ERROR, handlers: [], propagate: false}}\n"


def check(address: str | None) -> None:
    """Refuse an address that is none.

    Raises:
        MissingExtraError: Ray is not installed.
        SettingError: the address has another form.

    """
    if address not in (None, LOCAL, "auto") and not re.fullmatch(r"[^\s:/]+:\d{1,5}", str(address)):
        raise SettingError(
            f"expected {option('ray_address')} as {LOCAL}, auto or HOST:PORT; got {address!r}. The command runs on a machine "
            "of the cluster, where `ray status` answers."
        )
    if find_spec("ray") is None:
        raise MissingExtraError("spreading work over several machines", "ray", "scale")


class Cluster(NamedTuple):
    """What a cluster has."""

    ray: Any  # the library, connected
    cpus: int  # of all machines
    cpus_of_smallest: int  # of the machine with the fewest
    gpus: int

    def workers(self, cpus_each: int) -> int:
        """How many workers of so many CPUs it takes at once; at least 1."""
        return max(1, self.cpus // cpus_each)


@contextmanager
def connected(address: str | None) -> Iterator[Cluster]:
    """The cluster at `address`: HOST:PORT, `auto` for the one of this machine, `local` for one that is started for the block.

    None is what the environment's RAY_ADDRESS says, else `local`. Where this process is connected already, that is used.

    Raises:
        MissingExtraError: Ray is not installed.
        SettingError: the address has another form.
        StriateError: there is no cluster at the address.

    """
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    check(address)
    with _own_folder() as folder, _environment(folder, address):
        import ray

        own = not ray.is_initialized()
        try:
            if own:
                _connect(ray, address, folder)
            yield _described(ray)
        finally:
            if own:
                ray.shutdown()


def machine() -> str:
    """What the machine of this process is called by messages, in a worker or where a cluster is connected."""
    import ray

    return f"{os.uname().nodename} ({ray.util.get_node_ip_address()})"


def absent_folder(folder: str) -> str:
    """The sentence on a folder of the command that this machine lacks."""
    return (
        f"expected the folder {folder} on each machine of the cluster; there is none on {machine()}. Give the command in one "
        "that all machines see."
    )


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A new folder for Ray's files, whose path is short, as those of sockets must be; those of killed commands are removed."""
    beside = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir())
    for lock in beside.glob(f"{_FOLDER}*/.lock"):
        with suppress(OSError, RunError), files.lock(lock.parent, "folder of Ray"):
            shutil.rmtree(lock.parent)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=beside))
    try:
        with files.lock(folder, "folder of Ray"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _begin(ray: Any, address: str, **options: Any) -> None:
    """Connect, and leave SIGTERM to whoever answered it before."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address, **options)
    if main:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment(folder: Path, address: str) -> Iterator[None]:
    """What Ray reads of its environment, where the user has not set it: no statistics sent, no lines of its own on ours.

    Its workers run by default with a niceness of 15, which on a busy machine is next to no time at all. The token of this
    machine goes to its own cluster by whichever address; to that of another Ray sends it only where RAY_AUTH_MODE says so.
    """
    (folder / "logging.yaml").write_text(_QUIET, "utf-8")
    wanted = {
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_LOGGING_CONFIG": str(folder / "logging.yaml"),
        "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_worker_niceness": "0",
    }  # fmt: skip
    if address not in (LOCAL, "auto") and _has_token() and _is_here(address.rpartition(":")[0]):
        wanted[_AUTHENTICATION] = "token"
    added = {*wanted, _AUTHENTICATION} - os.environ.keys()  # which Ray sets too
    os.environ.update({name: wanted[name] for name in added if name in wanted})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _has_token() -> bool:
    """Whether Ray finds a token on this machine, as it does for each cluster that is started here once there is one."""
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    return bool(named) or Path("~/.ray/auth_token").expanduser().is_file()


def _is_here(host: str) -> bool:
    """Whether a host is this machine, which alone can listen at its addresses."""
    try:
        with socket.socket() as listener:
            listener.bind((host, 0))
    except OSError:
        return False
    return True


def _connect(ray: Any, address: str, folder: Path) -> None:
    silent = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address == LOCAL:
        log.info("Starting Ray on this machine, with %s.", plural(worker_pool.cores(), "CPU"))
        _begin(ray, LOCAL, num_cpus=worker_pool.cores(), object_store_memory=STORE_BYTES, _temp_dir=str(folder), **silent)
        return
    if address != "auto":
        _reach(address)
    try:
        _begin(ray, address, **(silent | {"include_dashboard": None}))
    except (ConnectionError, RuntimeError, ValueError) as error:
        why = str(error).partition("\n")[0]
        if _AUTHENTICATION not in os.environ:
            why += f"; where it asks for a token, set {_AUTHENTICATION}=token, and have its ~/.ray/auth_token here"
        raise _none_at(address, why) from error


def _reach(address: str) -> None:
    """Refuse an address that nothing answers at, for which Ray would wait for a minute."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _REACH_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise _none_at(address, str(error)) from error


def _none_at(address: str, why: str) -> StriateError:
    return StriateError(
        f"expected a Ray cluster at {address}; it cannot be reached ({why}). `ray start --head` begins one and prints its "
        f"address; {option('ray_address', LOCAL)} needs none."
    )


def _described(ray: Any) -> Cluster:
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(resources.get("CPU", 0)) for resources in machines]
    used = [count for count in cpus if count]
    if not used:
        raise StriateError("the Ray cluster has no CPU to work with. Start a machine of it with `ray start --num-cpus`.")
    return Cluster(ray, sum(used), min(used), int(sum(resources.get("GPU", 0) for resources in machines)))
