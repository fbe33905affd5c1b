"""An ONNX file is served by a machine without torch."""

import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from support import onnx_files

_NO_TORCH = "raise ImportError('torch is not here')\n"


def test_a_file_is_served_and_stopped_where_torch_cannot_be_imported(tmp_path: Path):
    path = onnx_files.write(tmp_path / "m.onnx")
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for name in ("torch", "torchvision"):
        (blocked / f"{name}.py").write_text(_NO_TORCH)
    source = Path(__file__).parents[3] / "src"
    environment = {**os.environ, "PYTHONPATH": f"{blocked}{os.pathsep}{source}"}
    command = [sys.executable, "-m", "striate", "serve", str(path), "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        facts = json.loads(server.stdout.readline())
        image = BytesIO()
        Image.new("L", (5, 5), 255).save(image, "png")
        with httpx.Client(base_url=facts["url"], timeout=60) as client:
            answer = client.post("/v1/predict", files={"file": ("white.png", image.getvalue())}).json()
            described = client.get("/v1/model").json()
            embedded = client.post("/v1/embed", files={"file": image.getvalue()}).json()
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
    (row,) = answer["predictions"]
    assert row["label"] == "light"
    assert row["probability"] == pytest.approx(1 - 1.8e-7, abs=1e-6)  # 1 / (1 + e^-15.5)
    assert described["classes"] == ["dark", "light"]
    assert described["sha256"] == facts["sha256"]
    assert [each["embedding"] for each in embedded["embeddings"]] == [[255.0]]
