"""Requests made from the description of the API: what is answered is what is described, and nothing is 5xx."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import onnx_files
from support.serve_process import serving


@pytest.mark.soak
def test_requests_made_from_the_description_are_answered_as_described(tmp_path: Path):
    command = [Path(sys.executable).with_name("st"), "run", "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"]
    # A description cannot say which bytes are an image, so that others are refused; and in a form, a list of one file and a
    # file that is no list are the same bytes, which are taken
    command += ["--exclude-checks", "positive_data_acceptance,negative_data_rejection"]
    command += ["--max-examples", os.environ.get("STRIATE_SOAK_EXAMPLES", "2500"), "--seed", "8", "--no-color"]
    model = onnx_files.write(tmp_path / "m.onnx")
    with serving(tmp_path / "server", model, "--deadline", "60") as server:
        fuzzed = subprocess.run(
            [*command, f"{server.url}/openapi.json"], capture_output=True, text=True, cwd=tmp_path, check=False
        )  # fmt: skip
        assert fuzzed.returncode == 0, fuzzed.stdout[-6000:]
        count = re.search(r"(\d+) generated", fuzzed.stdout)
        assert count is not None
        print(count[0], "requests")
        assert not [entry for entry in server.log() if entry["status"] >= 500]
        assert server.stop() == 0
        assert [note for note in server.notes() if "127.0.0.1" not in note] == []
