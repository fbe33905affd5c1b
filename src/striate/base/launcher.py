"""What a launcher of several processes, torchrun or SLURM, says in the environment of each."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from striate.base.errors import SettingError

_FIRST_PORT, _PORTS = 20_000, 10_000


class Place(NamedTuple):
    """Which process this is."""

    rank: int  # from 0
    local: int  # on its machine, from 0
    world: int  # processes in all


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """What torchrun or a step of SLURM (`srun`) says; (0, 0, 1) alone.

    >>> place({"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"})
    Place(rank=3, local=1, world=4)
    >>> place({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1"})
    Place(rank=5, local=1, world=8)
    """
    if "WORLD_SIZE" in environment:
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
    elif int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:  # of a batch script outside of srun there is one process
        names = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")
    else:
        return Place(0, 0, 1)
    missing = [name for name in (names[0], names[2]) if name not in environment]
    if missing:
        raise SettingError(f"expected {names[0]} and {names[2]} in the environment of each process; {missing[0]} is not there.")
    rank, local, world = (int(environment.get(name, "0")) for name in names)
    return Place(rank, local, world)


def meeting_point(environment: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Address and port at which the processes meet: MASTER_ADDR and MASTER_PORT, else of SLURM's job.

    Of SLURM the address is the first machine of the step, the port a function of the job's number.

    >>> meeting_point({"SLURM_STEP_NODELIST": "gpu[07-09,12]", "SLURM_JOB_ID": "31415"})
    ('gpu07', 21415)
    """
    nodes, job = environment.get("SLURM_STEP_NODELIST", ""), environment.get("SLURM_JOB_ID", "0")
    address = environment.get("MASTER_ADDR") or first_host(nodes)
    port = int(environment.get("MASTER_PORT") or _FIRST_PORT + int(job) % _PORTS)
    if not address:
        raise SettingError("expected MASTER_ADDR, the machine of the first process, in the environment; it is not there.")
    return address, port


def first_host(nodes: str) -> str:
    """The first machine of a list as SLURM writes it; empty of an empty list.

    >>> first_host("n[3-5,9]-ib,m1"), first_host("alpha,beta"), first_host("")
    ('n3-ib', 'alpha', '')
    """
    match = re.match(r"([^,\[]*)(?:\[(\w+)[^\]]*\])?([^,\[]*)", nodes)
    return "".join(part or "" for part in match.groups()) if match else ""
