"""Two machines, of which each has a launcher of its own, train together; whatever dies or is unplugged ends both.

`make test` has the launchers of torchrun and their processes as forks of this one; `make soak` has the commands of users.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.training import loop, processes
from support import marked_processes, ranks
from support.machines import ADDRESSES, CABLE, SYSTEM_RETRIES, Machines, two_machines
from support.tasks import PLAIN_LINE, task

PORT = 29400
MOST_SECONDS = 60  # from a failure to the end of the job on both machines


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with two_machines() as both:
        yield both


def as_launcher(machine: int, machines: Machines, folder: Path) -> None:
    """What `torchrun --nnodes=2 --rdzv-backend=c10d` does on one of the machines, with forks for processes."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    machines.enter(machine)
    os.environ["GLOO_SOCKET_IFNAME"] = CABLE
    settings = LaunchConfig(
        min_nodes=2, max_nodes=2, nproc_per_node=1, run_id="test", rdzv_backend="c10d", rdzv_endpoint=f"{ADDRESSES[0]}:{PORT}",
        rdzv_configs={"is_host": machine == 0}, start_method="fork", max_restarts=0, monitor_interval=0.2,
        local_addr=ADDRESSES[machine],
    )  # fmt: skip
    elastic_launch(settings, as_process)(str(folder))


def as_process(folder: str) -> None:
    result = ranks.train(Path(folder), PLAIN_LINE)
    (Path(folder) / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(result))


def test_the_launchers_of_two_machines_train_the_network_of_one(machines: Machines, tmp_path: Path):
    launchers = [get_context("fork").Process(target=as_launcher, args=(machine, machines, tmp_path)) for machine in (0, 1)]
    for launcher in launchers:
        launcher.start()
    for launcher in launchers:
        launcher.join(600)
    assert [launcher.exitcode for launcher in launchers] == [0, 0]
    one, other = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert one["digest"] == other["digest"]
    assert one["seen"] != other["seen"]
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    weights = np.concatenate([parameter.detach().numpy().ravel() for parameter in alone.net.parameters()])
    assert np.allclose(one["weights"], weights, atol=1e-5)


def endless(folder: Path) -> dict[str, Any]:
    processes._SILENT_SECONDS, processes._BEAT_SECONDS = 3.0, 0.2
    os.environ["GLOO_SOCKET_IFNAME"] = CABLE
    os.environ["LOCAL_RANK"] = "0"  # each is the first of its machine
    return ranks.train(folder, PLAIN_LINE, steps=1_000_000)


def wait_for_epochs(journal: Path, count: int, still: list[Any]) -> None:
    deadline = time.monotonic() + 600
    while not (journal.is_file() and journal.read_bytes().count(b'"event": "epoch"') >= count):
        assert time.monotonic() < deadline
        assert all(each() is None for each in still)
        time.sleep(0.05)


def test_when_the_cable_is_out_both_machines_say_so_and_end(tmp_path: Path):
    with two_machines() as machines:
        both = ranks.start(2, endless, tmp_path, ADDRESSES[0], machines.enter)
        wait_for_epochs(tmp_path / "journal.jsonl", 1, [partial(process.join, 0) for process in both])
        machines.unplug()
        for process in both:
            process.join(MOST_SECONDS)
        codes = [process.exitcode for process in both]
        for process in both:
            process.kill()
        assert codes == [processes.EXIT_FAILED] * 2
        for rank, other in ((0, 1), (1, 0)):
            assert f"process {other} of 2" in ranks.said(tmp_path, rank)
            assert "has ended, stands still or cannot be reached" in ranks.said(tmp_path, rank)


# ---- make soak: torchrun and striate as they are started by users

SETTINGS = ("--net", "conv 3x3x8, bn, relu, pool 2, fc", "--set", "train.early_stop=false", "--no-report", "--json")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1", "--nnodes=2")
STRIATE = ("-m", "striate", "train", "digits", *SETTINGS)


def by_c10d(machine: int) -> tuple[str, ...]:
    """How the launchers find each other: through a store of the first one."""
    return (
        "--rdzv-backend=c10d", f"--rdzv-endpoint={ADDRESSES[0]}:{PORT}",
        f"--rdzv-conf=is_host={1 - machine},read_timeout=15", f"--local-addr={ADDRESSES[machine]}",
    )  # fmt: skip


def by_number(machine: int) -> tuple[str, ...]:
    """Each is told its number, and has nothing to ask of the other once the processes run."""
    return (f"--node-rank={machine}", f"--master-addr={ADDRESSES[0]}", f"--master-port={PORT}")


def start(
    machines: Machines, folder: Path, trial: str, *more: str, rendezvous: Callable[[int], tuple[str, ...]] = by_c10d
) -> list[subprocess.Popen[bytes]]:
    """torchrun on each machine; what each says is in machine-M.txt."""
    started = []
    for machine in (0, 1):
        command = machines.command(machine, *TORCHRUN, *rendezvous(machine), *STRIATE, *more)
        with (folder / f"machine-{machine}.txt").open("w") as said:
            environment = {**os.environ, "GLOO_SOCKET_IFNAME": CABLE, marked_processes.MARK: trial}
            started.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said))
    return started


@pytest.mark.soak
def test_two_torchruns_end_with_the_bytes_that_two_processes_of_one_machine_end_with(machines: Machines, tmp_path: Path):
    for launcher in start(machines, tmp_path, uuid.uuid4().hex, "--epochs", "6", "--name", "apart"):
        assert launcher.wait(600) == 0, [(tmp_path / f"machine-{machine}.txt").read_text() for machine in (0, 1)]
    apart = json.loads((tmp_path / "machine-0.txt").read_text().splitlines()[-2])
    together = [*TORCHRUN[:3], "--standalone", "--nproc-per-node=2", *STRIATE, "--epochs", "6", "--name", "together"]
    done = subprocess.run(together, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["weights_sha256"] == apart["weights_sha256"]


def child_of(parent: int) -> int:
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


@pytest.mark.soak
@pytest.mark.parametrize(
    ("victims", "named"),
    [
        (("rank 0",), "process 0 of 2"), (("rank 1",), "process 1 of 2"),
        (("launcher 0",), "Stopped by"), (("launcher 1",), "Stopped by"), (("launcher 0", "launcher 1"), "Stopped by"),
        (("launcher 0", "rank 0"), "process 0 of 2"), (("launcher 1", "rank 1"), "process 1 of 2"),
        (("cable",), "process 1 of 2"),
    ],
)  # fmt: skip
def test_whatever_dies_both_machines_end_within_a_minute_and_none_is_left(victims: tuple[str, ...], named: str, tmp_path: Path):
    with two_machines() as machines:
        end_all(machines, by_c10d, victims, named, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("victims", "named"),
    [(("cable",), "process 1 of 2"), (("rank 1",), "process 1 of 2"), (("launcher 0",), "Stopped by")],
)  # fmt: skip
def test_launchers_that_are_told_their_number_end_so_too_as_the_system_is(victims: tuple[str, ...], named: str, tmp_path: Path):
    with two_machines(SYSTEM_RETRIES) as machines:
        end_all(machines, by_number, victims, named, tmp_path)


def end_all(
    machines: Machines, rendezvous: Callable[[int], tuple[str, ...]], victims: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    """Start a training, end the victims, and see that all is over in time and that the cause is named."""
    trial = uuid.uuid4().hex
    launchers = start(machines, tmp_path, trial, "--epochs", "100000", "--name", "first", rendezvous=rendezvous)
    try:
        wait_for_epochs(tmp_path / "runs" / "first" / "journal.jsonl", 2, [launcher.poll for launcher in launchers])
        pids = {f"launcher {machine}": launcher.pid for machine, launcher in enumerate(launchers)}
        pids |= {f"rank {machine}": child_of(launcher.pid) for machine, launcher in enumerate(launchers)}
        for victim in victims:
            if victim == "cable":
                machines.unplug()
            else:
                os.kill(pids[victim], signal.SIGKILL)
        ended = marked_processes.none_lives(trial, MOST_SECONDS)
    finally:
        for launcher in launchers:
            launcher.kill()
            launcher.wait()
    heard = [(tmp_path / f"machine-{machine}.txt").read_text() for machine in (0, 1)]
    assert ended, heard
    assert named in " ".join(heard)
