"""An ONNX file is served by a machine without torch."""

import json
import os
import shutil
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from support import onnx_files

_ALONE = """
import fcntl, json, socket, struct, sys
from pathlib import Path
with socket.socket() as any_socket:  # loopback is down at first: SIOCSIFFLAGS, IFF_UP
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14s", b"lo", 1, b""))
import httpx
from support.serve_process import serving
from support.serving import png
with serving(Path(sys.argv[2]), sys.argv[1]) as server, httpx.Client(base_url=server.url, timeout=60) as client:
    (row,) = client.post("/v1/predict", files={"file": png(255)}).json()["predictions"]
    print(json.dumps([socket.if_nameindex(), row["label"], client.get("/").status_code, server.stop()]))
"""
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


@pytest.mark.soak
def test_a_file_is_served_where_there_is_no_network_but_loopback(tmp_path: Path):
    apart = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not permit a network namespace (unshare --net)")
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'tests'}"}
    command = [*apart, sys.executable, "-c", _ALONE, onnx_files.write(tmp_path / "m.onnx"), tmp_path / "server"]
    story = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert story.returncode == 0, story.stderr
    interfaces, label, page, code = json.loads(story.stdout)
    assert [name for _, name in interfaces] == ["lo"]
    assert (label, page, code) == ("light", 200, 0)
