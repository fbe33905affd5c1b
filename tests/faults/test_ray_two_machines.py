"""A Ray cluster of two machines: both work, what one of them lacks is named, and one that dies costs no row and no fold."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import marked_processes, ray_cluster
from support.machines import ADDRESSES, Machines, two_machines
from support.models import tiny_model
from support.ray_processes import title

pytestmark = pytest.mark.soak

PORT = 6390
FOLDS = ("train", "digits", "--net", "conv 3x3x8, relu, pool 2, fc", "--epochs", "4", "--folds", "4", "--weights", "none")


class Cluster:
    """Two machines of one CPU each, which share the disk but the folder `apart`, and Ray's: those of the second are others.

    The second sees its own processes alone, as machines do: a command looks for Ray among them.
    """

    def __init__(self, machines: Machines, folder: Path, short: Path) -> None:
        self.machines, self.folder, self.short = machines, folder, short
        self.started: dict[int, subprocess.Popen[bytes]] = {}
        (folder / "apart").mkdir()

    def environment(self, machine: int, mark: str) -> dict[str, str]:
        """As a user's on that machine."""
        variables = {
            **os.environ, "RAY_TMPDIR": str(self.short / str(machine)), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1",
            "RAY_worker_niceness": "0", marked_processes.MARK: mark, "RAY_AUTH_MODE": "disabled",
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        }  # fmt: skip
        Path(variables["RAY_TMPDIR"]).mkdir(exist_ok=True)
        return variables

    def start(self, machine: int) -> None:
        """`ray start` on one of them."""
        where = [f"--address={ADDRESSES[0]}:{PORT}"] if machine else ["--head", f"--port={PORT}", "--include-dashboard=false"]
        command = ray_cluster.start_command("--num-cpus=1", f"--node-ip-address={ADDRESSES[machine]}", *where)
        if machine == 1:
            hide = 'mount -t proc proc /proc; mount -t tmpfs none "$1"; mount -t tmpfs none "$2"; shift 2; exec "$@"'
            apart = [str(self.folder / "apart"), str(self.short)]
            command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", hide, "sh", *apart, *command]
        path = self.folder / f"ray-{machine}.txt"
        with path.open("w") as output:
            self.started[machine] = subprocess.Popen(
                self.machines.command(machine, *command), env=self.environment(machine, self.mark(machine)), stdout=output,
                stderr=output,
            )  # fmt: skip
        wait_until(lambda: "Ray runtime started" in path.read_text(), self.started[machine])

    def mark(self, machine: int) -> str:
        """By which what Ray has started on a machine is found."""
        return f"{self.folder} {machine}"

    def workers(self, machine: int, kind: str) -> list[int]:
        """Its processes that predict or train."""
        return [each for each in marked_processes.processes(self.mark(machine)) if title(each).startswith(f"ray::{kind}")]

    def kill(self, machine: int) -> None:
        """End all that Ray has on a machine, as a power cut does."""
        for process in marked_processes.processes(self.mark(machine)):
            os.kill(process, signal.SIGKILL)
        self.started[machine].communicate(timeout=60)

    def striate(self, *words: str, machine: int = 0, below: str = "") -> "subprocess.Popen[str]":
        """A command on one of the machines."""
        spaces = f"/proc/{self.started[1].pid}/ns"
        enter = ["nsenter", f"--mount={spaces}/mnt", f"--pid={spaces}/pid_for_children", "--"] if machine == 1 else []
        there = ["env", "-C", str(self.folder / below), sys.executable, "-m", "striate"]
        command = [*self.machines.command(machine, *enter), *there, *words]
        environment = self.environment(machine, "command")
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until(done: Callable[[], object], process: "subprocess.Popen[Any]") -> None:
    deadline = time.monotonic() + 300
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def output_of(process: "subprocess.Popen[str]", code: int = 0) -> str:
    out, error = process.communicate(timeout=500)
    assert process.returncode == code, error
    return out + error


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, and in its folder a model `m` with images in `p`; what is predicted and trained without it is `alone`."""
    pytest.importorskip("ray", reason="of the extra scale")
    folder = tmp_path_factory.mktemp("two")
    tiny_model().save(folder / "m")
    fill(folder / "p", 3000)
    with two_machines() as machines, ExitStack() as stack:
        short = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # as the names of sockets must be
        stack.callback(shutil.rmtree, short, ignore_errors=True)
        both = Cluster(machines, folder, short)
        for machine in (0, 1):
            stack.callback(both.kill, machine)
            both.start(machine)
        output_of(both.striate("predict", "m", "p", "--out", "alone.csv"))
        output_of(both.striate(*FOLDS, "--no-report", "--name", "alone"))
        yield both


def fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), np.uint8)
    for n in range(count):
        Image.fromarray(np.roll(pixels_NHWC[n % 8], n, axis=0)).save(folder / f"{n:04}.png")


@pytest.mark.parametrize(("machine", "address"), [(0, f"{ADDRESSES[0]}:{PORT}"), (0, "auto"), (1, "auto")])
def test_both_machines_predict_whichever_of_them_has_the_command(cluster: Cluster, machine: int, address: str):
    command = cluster.striate("predict", "m", "p", "--out", "both.csv", "--ray-address", address, machine=machine)
    wait_until(lambda: all(cluster.workers(each, "MapWorker") for each in (0, 1)), command)
    assert "2 workers of 1 CPU each." in output_of(command)
    assert (cluster.folder / "both.csv").read_bytes() == (cluster.folder / "alone.csv").read_bytes()


def fold_weights(folder: Path, name: str) -> list[str]:
    results = sorted((folder / "runs" / name).glob("folds/*/result.json"))
    return [json.loads(path.read_text())["weights_sha256"] for path in results]


def test_what_one_machine_lacks_is_named_with_the_machine(cluster: Cluster):
    fill(cluster.folder / "apart" / "q", 1000)
    shutil.copytree(cluster.folder / "m", cluster.folder / "apart" / "m")
    (cluster.folder / "apart" / "inner").mkdir()
    lacking = rf"({ADDRESSES[1]})"
    for words, below, path in (
        (("m", "apart/q"), "", "apart/q/0"), (("apart/m", "p"), "", "apart/m"),
        (("../m", "../q"), "apart/inner", "apart/inner"),
    ):  # fmt: skip
        output = output_of(cluster.striate("predict", *words, "--ray-address", "auto", below=below), code=2)
        assert path in output, output
        assert lacking in output, output


def test_folds_are_trained_by_both_and_one_that_lacks_the_images_leaves_them_to_the_command(cluster: Cluster):
    command = cluster.striate(*FOLDS, "--no-report", "--name", "both", "--ray-address", "auto")
    wait_until(lambda: all(cluster.workers(each, "_called") for each in (0, 1)), command)
    assert "4 trainings by 2 workers of 1 CPU each." in output_of(command)
    assert fold_weights(cluster.folder, "both") == fold_weights(cluster.folder, "alone")
    assert len(fold_weights(cluster.folder, "both")) == 4
    place = cluster.folder / "apart" / "of-folds"
    place.mkdir()
    output = output_of(
        cluster.striate(*FOLDS, "--no-report", "--name", "there", "--ray-address", "auto", below="apart/of-folds")
    )
    assert f"expected the folder {place} on each machine of the cluster; there is none on" in output
    assert fold_weights(place, "there") == fold_weights(cluster.folder, "alone")


def test_a_machine_that_dies_costs_no_row(cluster: Cluster):
    rows = (cluster.folder / "alone.csv").read_text().splitlines()[1:]
    table = "\n".join(["path", *(row.partition(",")[0] for row in rows * 3)])
    (cluster.folder / "list.csv").write_text(f"{table}\n")
    command = cluster.striate("predict", "m", "list.csv", "--out", "died.csv", "--parts", "1000", "--ray-address", "auto")
    first = cluster.folder / "died.csv" / "_striate" / "part-00000.json"
    wait_until(lambda: first.is_file() and cluster.workers(1, "MapWorker"), command)
    cluster.kill(1)
    assert command.poll() is None
    output_of(command)
    cluster.start(1)
    tables = [path.read_text().splitlines() for path in sorted((cluster.folder / "died.csv").glob("part-*.csv"))]
    assert [len(table) - 1 for table in tables] == [1000] * 9
    assert [row for table in tables for row in table[1:]] == rows * 3


def test_a_machine_that_dies_costs_no_fold(cluster: Cluster):
    command = cluster.striate(*FOLDS, "--no-report", "--name", "died", "--ray-address", "auto")
    wait_until(lambda: cluster.workers(1, "_called"), command)
    time.sleep(2)
    cluster.kill(1)
    assert command.poll() is None
    output_of(command)
    cluster.start(1)
    assert fold_weights(cluster.folder, "died") == fold_weights(cluster.folder, "alone")
