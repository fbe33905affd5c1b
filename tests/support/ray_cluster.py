"""A Ray cluster on this machine for the tests of a file: within their process, or as `ray start` begins it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import striate
from striate.workflows import cluster


@contextmanager
def started() -> Iterator[cluster.Cluster]:
    """Start it, or skip the test where Ray is not installed; its processes find what tests import."""
    pytest.importorskip("ray", reason="of the extra scale")
    places = [str(Path(__file__).parents[1]), str(Path(striate.__file__).parents[1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(places))
        with cluster.connected("local") as connection:
            yield connection


@contextmanager
def begun(folder: Path, cpus: int = 2) -> Iterator[tuple[str, dict[str, str]]]:
    """One that `ray start` begins, as users have it: its address, and the environment of commands that it answers to."""
    pytest.importorskip("ray", reason="of the extra scale")
    short = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # as the names of sockets must be
    environment = {
        **os.environ, "RAY_TMPDIR": str(short), "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0",
        "PYTHONPATH": str(Path(striate.__file__).parents[1]),
    }  # fmt: skip
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = start_command("--head", f"--num-cpus={cpus}", f"--port={port}", "--include-dashboard=false")
    with (folder / "ray.txt").open("w") as said, subprocess.Popen(command, env=environment, stdout=said, stderr=said) as head:
        try:
            yield wait_for_address(folder / "ray.txt", head, port), environment
        finally:
            head.terminate()  # which ends all that it has started
            head.wait(60)
            shutil.rmtree(short, ignore_errors=True)


def start_command(*more: str) -> list[str]:
    """`ray start` as a process that lives as long as what it starts."""
    store = "--object-store-memory=100000000"
    return [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", store, *more]


def wait_for_address(said: Path, head: "subprocess.Popen[bytes]", port: int) -> str:
    """The address that `ray start` prints when it is there."""
    deadline = time.monotonic() + 300
    while (match := re.search(rf"ray start --address='([\d.]+:{port})'", said.read_text())) is None:
        assert head.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.1)
    return match[1]
