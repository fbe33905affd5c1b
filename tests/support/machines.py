"""Two machines on one: network namespaces of Linux with a cable between them, and nothing else that they share but the disk.

A namespace lives as long as a process is in it, so none is left when a test is killed.
"""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CABLE = "cable"  # the name of the interface on both sides
ADDRESSES = ("10.77.0.1", "10.77.0.2")
# Retransmissions until a connection counts as broken: 13 s, and a quarter of an hour, which torchrun waits out if its launchers
# find each other by c10d
FEW_RETRIES, SYSTEM_RETRIES = 5, 15
_CLONE_NEWNET = 0x40000000


class Machines:
    """The two of them, 0 and 1."""

    def __init__(self, holders: list[subprocess.Popen[bytes]]) -> None:
        self.holders = holders

    def command(self, machine: int, *words: str) -> list[str]:
        """A command that runs on one of the machines, in the process that it is started as."""
        return ["nsenter", f"--net={self._namespace(machine)}", "--", *words]

    def enter(self, machine: int) -> None:
        """Move this thread, and what it starts from now on, to one of the machines."""
        with self._namespace(machine).open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def unplug(self) -> None:
        """Take the cable out, of which neither side gets any notice but silence."""
        subprocess.run(self.command(1, "ip", "link", "set", CABLE, "down"), check=True)

    def _namespace(self, machine: int) -> Path:
        return Path(f"/proc/{self.holders[machine].pid}/ns/net")


@contextmanager
def two_machines(retries: int = FEW_RETRIES) -> Iterator[Machines]:
    """Two machines, whose connections count as broken after so many retransmissions.

    It skips the test where the system lets this process have none.
    """
    if missing := [program for program in ("unshare", "nsenter", "ip") if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    holders: list[subprocess.Popen[bytes]] = []
    try:
        for _ in ADDRESSES:
            holder = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", "echo && exec cat"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            holders.append(holder)
            assert holder.stdout is not None
            if holder.stdout.readline() != b"\n":
                pytest.skip("needs root, for network namespaces")
        one, other = (str(holder.pid) for holder in holders)
        veth = ["ip", "link", "add", CABLE, "netns", one, "type", "veth", "peer", "name", CABLE, "netns", other]
        done: Any = subprocess.run(veth, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"needs veth: {done.stderr.strip()}")
        machines = Machines(holders)
        for machine, address in enumerate(ADDRESSES):
            script = (
                f"ip addr add {address}/24 dev {CABLE}; ip link set lo up; ip link set {CABLE} up; "
                f"echo {retries} > /proc/sys/net/ipv4/tcp_retries2"
            )
            subprocess.run(machines.command(machine, "sh", "-ec", script), check=True)
        yield machines
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
