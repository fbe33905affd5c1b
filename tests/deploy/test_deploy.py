"""The files in deploy/ are whole, agree with each other and with the manual, and their steps work."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support import onnx_files
from support.serve_process import serving

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}


def steps() -> list[tuple[str, str]]:
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def installs() -> list[list[str]]:
    return [shlex.split(text)[1:] for step, text in steps() if step == "RUN" and text.startswith("pip install")]


def test_the_dockerfile_has_known_steps_files_that_exist_and_no_root():
    assert {step for step, _ in steps()} <= KNOWN
    assert steps()[0][0] == "FROM"
    for step, text in steps():
        if step == "COPY":
            assert all((ROOT / source).exists() for source in text.split()[:-1])
    assert ("USER", "striate") in steps()
    entry, command = (json.loads(dict(steps())[name]) for name in ("ENTRYPOINT", "CMD"))
    assert [*entry, *command] == ["python", "-m", "striate", "serve", "/model/model.onnx", "--host", "0.0.0.0"]


def test_it_installs_what_the_manual_says():
    (manual,) = re.findall(r"^\$ pip install (onnxruntime .*)$", (ROOT / "docs/how-to/serve.md").read_text(), re.M)
    assert [name for name in installs()[0] if not name.startswith("-")][1:] == manual.split()


def test_the_compose_file_builds_the_dockerfile_and_publishes_to_this_machine_alone():
    (service,) = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert service["volumes"][0].endswith(":/model:ro")


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path):
    text = (DEPLOY / "striate.service").read_text()
    assert re.findall(r"^\[(.*)\]$", text, re.M) == ["Unit", "Service", "Install"]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    unit = tmp_path / "striate.service"
    unit.write_text(text.replace("/opt/striate/bin/python", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert [line for line in checked.stderr.splitlines() if "striate.service" in line] == []


@pytest.mark.soak
def test_the_steps_of_the_dockerfile_build_a_server_without_torch(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    for step in installs():
        subprocess.run([python, "-m", "pip", "--quiet", *step], check=True, cwd=ROOT)
    model = onnx_files.write(tmp_path / "m.onnx")
    with serving(tmp_path / "server", model, python=python) as server:
        assert server.stop() == 0
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 1
