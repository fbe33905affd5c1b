"""Where processes that train together find each other, and what is said of one that does not come."""

import itertools
import os
import socket
import time
from datetime import timedelta
from typing import Any, NamedTuple, Self

import torch

from striate.base.errors import RunError, SettingError
from striate.base.launcher import Place, meeting_point

JOIN_SECONDS = 40.0  # for the next process to come: with the start of those that wait, a minute
_LOOK_SECONDS = 0.3
_STORE_SECONDS = 20.0  # for an answer of a store
_ANSWER_SECONDS = 2.0  # for an address to take a connection
_GROUP_SECONDS = 1800.0  # for the addresses of a group, as torch has it; who does not come is noticed by the watch
_NAMED = 5
_numbers = itertools.count()  # of the meetings of this process, which all processes have in the same order


def join_seconds() -> float:
    """How long processes wait for the next one to come: STRIATE_JOIN_SECONDS, else 40.

    Raises SettingError where the variable is no number of at least 1.
    """
    text = os.environ.get("STRIATE_JOIN_SECONDS", "")
    try:
        seconds = float(text or JOIN_SECONDS)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:
        raise SettingError(f"STRIATE_JOIN_SECONDS: expected seconds from 1 to 86400; got {text!r}.")
    return seconds


def not_there(absent: list[int], world: int, seconds: float) -> str:
    """What to say of processes that have not come.

    >>> not_there([1], 3, 40.0)[:64]
    'process 1 of 3 has not come for 40 s, and the others wait for it'
    """
    names = ", ".join(map(str, absent[:_NAMED])) + (f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else "")
    if len(absent) == 1:
        who, has, it, they, were = "process", "has", "it", "it", "was"
    else:
        who, has, it, they, were = "processes", "have", "them", "they", "were"
    return (
        f"{who} {names} of {world} {has} not come for {seconds:g} s, and the others wait for {it}. Look at what {they} printed "
        f"and whether {they} {were} started; start all within that time, or set STRIATE_JOIN_SECONDS."
    )


class Meeting(NamedTuple):
    """Stores of what processes tell each other."""

    group: Any  # torch's own for the addresses of a group, at the launcher's address
    store: Any  # of signs of life, which ends with process 0
    name: str  # of this meeting: how often torchrun has started the processes anew, and how often these have met before

    @classmethod
    def find(cls, own: Place) -> Self:
        """The stores; process 0 opens what torchrun does not.

        Raises RunError: process 0 has not come in time, or cannot open them.
        """
        address, port = meeting_point()
        wait = timedelta(seconds=_STORE_SECONDS)
        distributed: Any = torch.distributed  # whose types leave the store out
        launched = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # torchrun has opened the first one
        opens = own.rank == 0 and not launched
        name = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')} {next(_numbers)}"
        deadline, absent = time.monotonic() + join_seconds(), not_there([0], own.world, join_seconds())
        while True:
            if not opens:
                _wait_for_answer(address, port, deadline, absent)
            try:
                group = distributed.TCPStore(
                    address, port, is_master=opens, wait_for_workers=False, multi_tenant=True, timeout=wait
                )  # fmt: skip
                if own.rank == 0:
                    store = distributed.TCPStore(address, 0, is_master=True, wait_for_workers=False, timeout=wait)
                    group.set(f"striate {name}", str(store.port))
                    return cls(group, store, name)
                while not group.check([f"striate {name}"]):
                    if time.monotonic() > deadline:
                        raise RunError(absent)
                    time.sleep(_LOOK_SECONDS)
                own_port = int(group.get(f"striate {name}"))
                return cls(group, distributed.TCPStore(address, own_port, is_master=False, timeout=wait), name)
            except RuntimeError as error:
                if own.rank != 0 and time.monotonic() < deadline:  # it may be the store of the meeting before, which ends
                    time.sleep(_LOOK_SECONDS)
                    continue
                reason = str(error).splitlines()[0]
                raise RunError(
                    f"process {own.rank} of {own.world} cannot meet the others at {address}:{port}: {reason}. Look at what "
                    "process 0 printed; where another program has the port, give MASTER_PORT another number."
                ) from error

    def for_sums(self) -> Any:
        """The store through which the processes of a group find each other."""
        self.group.set_timeout(timedelta(seconds=_GROUP_SECONDS))
        distributed: Any = torch.distributed
        return distributed.PrefixStore(f"striate group {self.name}", self.group)


def _wait_for_answer(address: str, port: int, deadline: float, absent: str) -> None:
    """Wait until something takes connections there; torch would warn at every attempt."""
    while True:
        try:
            socket.create_connection((address, port), timeout=_ANSWER_SECONDS).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RunError(absent) from None
        time.sleep(_LOOK_SECONDS)
