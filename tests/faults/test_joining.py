"""A process of a command that never comes, or is lost before the first step: the others say so within a minute, and end.

`make test` has forks of its own for this, in test_meeting.py; here are the commands of users, started by hand and by torchrun.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from support import ranks
from support.machines import ADDRESSES, CABLE, two_machines
from support.marked_processes import MARK, none_lives

if not Path("/proc/self/environ").is_file():
    pytest.skip("needs /proc", allow_module_level=True)
pytestmark = pytest.mark.soak

MOST_SECONDS = 120  # from the start to the end: 40 s after the others have started, which a busy machine draws out
KILL_SECONDS = 45  # 30 are torchrun's, between asking a process that stands still to end and ending it
SETTINGS = ("--net", "conv 3x3x8, bn, relu, pool 2, fc", "--epochs", "100000", "--set", "train.early_stop=false", "--no-report")
STRIATE = ("-m", "striate", "train", "digits", *SETTINGS, "--name", "first")
# striate in a process that dies or stands still before the others know of it
LOST = """
import os, sys
if os.environ.get("RANK") == os.environ["LOST_RANK"]:
    os.kill(os.getpid(), int(os.environ["LOST_SIGNAL"]))
sys.argv[0] = "striate"
from striate.__main__ import run
run()
"""


def slurm(rank: int, world: int, port: int) -> dict[str, str]:
    """What srun tells a task; the port is a function of the job's number."""
    return {
        "SLURM_PROCID": str(rank), "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": str(world),
        "SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": str(port - 20_000), "MASTER_PORT": str(port),
    }  # fmt: skip


def by_hand(rank: int, world: int, port: int) -> dict[str, str]:
    return {
        "RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rank", "lost", "variables"),
    [
        (0, "not started", by_hand), (2, "not started", slurm), (1, "stopped", slurm), (0, "stopped", by_hand),
        (2, "killed when joined", by_hand), (0, "killed when joined", slurm), (1, "stopped when joined", slurm),
    ],
)  # fmt: skip
def test_where_nobody_ends_the_rest_it_ends_by_itself(rank: int, lost: str, variables: object, tmp_path: Path):
    assert callable(variables)
    trial, port, others = uuid.uuid4().hex, ranks.free_port(), {}
    victim = None
    try:
        for each in range(3):
            if each == rank and lost == "not started":
                continue
            mark = {MARK: trial} if each != rank else {}
            with (tmp_path / f"rank-{each}.txt").open("w") as output:
                process = subprocess.Popen(
                    [sys.executable, *STRIATE], cwd=tmp_path, env={**os.environ, **variables(each, 3, port), **mark},
                    stdout=output, stderr=output,
                )  # fmt: skip
            if each == rank:
                victim = process
            else:
                others[each] = process
        if victim is not None and lost == "stopped":
            victim.send_signal(signal.SIGSTOP)
        elif victim is not None:
            while not (tmp_path / "runs" / "first").is_dir():  # made just before they are joined
                assert all(process.poll() is None for process in others.values())
                time.sleep(0.02)
            victim.send_signal(signal.SIGKILL if lost == "killed when joined" else signal.SIGSTOP)
        ended = none_lives(trial, MOST_SECONDS)
    finally:
        for process in [*others.values(), *([victim] if victim is not None else [])]:
            process.kill()
            process.wait()
    outputs = {each: (tmp_path / f"rank-{each}.txt").read_text() for each in others}
    assert ended, outputs
    for output in outputs.values():
        assert f"process {rank} of 3" in output
    assert all(process.returncode not in (None, 0) for process in others.values())


def torchrun(*options: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1", *options]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_torchrun_ends_where_a_process_never_comes(number: int, tmp_path: Path):
    trial = uuid.uuid4().hex
    (tmp_path / "lost.py").write_text(LOST)
    lost = {"LOST_RANK": "1", "LOST_SIGNAL": str(int(number)), MARK: trial}
    command = [*torchrun("--standalone", "--nproc-per-node", "2"), "lost.py", *STRIATE[2:]]
    with (tmp_path / "said.txt").open("w") as output:
        launcher = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **lost}, stdout=output, stderr=output)
    try:
        ended = none_lives(trial, MOST_SECONDS + KILL_SECONDS)
    finally:
        launcher.kill()
        launcher.wait()
    outputs = (tmp_path / "said.txt").read_text()
    assert ended, outputs
    if number == signal.SIGSTOP:
        assert "process 1 of 2 has not come for 40 s" in outputs


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_before_it_comes_ends_the_job_on_both_machines(rank: int, tmp_path: Path):
    trial = uuid.uuid4().hex
    (tmp_path / "lost.py").write_text(LOST)
    lost = {"LOST_RANK": str(rank), "LOST_SIGNAL": str(int(signal.SIGKILL)), "GLOO_SOCKET_IFNAME": CABLE, MARK: trial}
    with two_machines() as machines:
        launchers = []
        for machine, address in enumerate(ADDRESSES):
            options = (
                "--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint={ADDRESSES[0]}:29400",
                f"--rdzv-conf=is_host={1 - machine}", f"--local-addr={address}",
            )  # fmt: skip
            command = machines.command(machine, *torchrun(*options), "lost.py", *STRIATE[2:])
            with (tmp_path / f"machine-{machine}.txt").open("w") as output:
                launchers.append(
                    subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **lost}, stdout=output, stderr=output)
                )
        try:
            ended = none_lives(trial, MOST_SECONDS)
        finally:
            for launcher in launchers:
                launcher.kill()
                launcher.wait()
    outputs = [(tmp_path / f"machine-{machine}.txt").read_text() for machine in (0, 1)]
    assert ended, outputs
    assert "Signal 9 (SIGKILL)" in outputs[rank]  # torchrun names it there
    if rank == 1:  # the first machine's holds the others' connections, and takes them with it
        assert "process 1 of 2 has not come for 40 s" in outputs[0]
