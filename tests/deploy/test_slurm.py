"""The batch script for SLURM, with an srun of the tests that starts its tasks as SLURM does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.ranks import free_port

SCRIPT = Path(__file__).parents[2] / "deploy" / "slurm.sh"
SRUN = f"""#!{sys.executable}
import os, subprocess, sys
command = [word for word in sys.argv[1:] if word != "--kill-on-bad-exit=1"]
tasks = []
for number in range(2):
    step = {{"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number), "SLURM_STEP_NUM_TASKS": "2"}}
    step["SLURM_STEP_NODELIST"] = "localhost"
    tasks.append(subprocess.Popen(command, env={{**os.environ, **step}}))
sys.exit(max(task.wait() for task in tasks))
"""


@pytest.mark.soak
def test_the_batch_script_trains_with_two_tasks_and_goes_on_when_it_is_repeated(tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "srun").write_text(SRUN)
    (programs / "striate").write_text(f'#!/bin/sh\nexec {sys.executable} -m striate "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    # the port follows from the job's number
    job = {"SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": str(free_port() % 10_000), "PATH": f"{programs}:{os.environ['PATH']}"}
    for _ in range(2):
        done = subprocess.run(
            ["bash", str(SCRIPT), "digits", "first"], cwd=tmp_path, env={**os.environ, **job}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "is finished already; this is its result." in done.stderr
    environment = json.loads((tmp_path / "runs" / "first" / "environment.json").read_text())
    assert environment["processes"] == 2
