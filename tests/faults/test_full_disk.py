"""A disk that is really full, under a whole process: it stops with a sentence, and ends with the same bytes given room."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.shape_images import make_folder

TRAIN = "train ../photos --net 'conv 3x3x32, relu, fc 32, relu, fc' --epochs 2 --set preprocess.size_px=24 --no-report"
SCRIPT = """
mount -t tmpfs -o size={room} tmpfs small
cd small
export STRIATE_CACHE=$PWD/../cache
{python} -m striate {train} --name run
echo "code $?"
mount -o remount,size=256m .
test -e runs/run/run.toml && again="--resume --name run --no-report" || again="{train} --name run"
eval {python} -m striate ${{again/--resume/train --resume}}
sha256sum runs/run/model/weights.safetensors
find runs -name '.*' ! -name .lock
"""


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, for a small file system of its own")
def test_a_full_disk_stops_the_run_with_74_and_the_run_is_resumed(tmp_path: Path):
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    make_folder(tmp_path / "photos", each=10)
    (tmp_path / "small").mkdir()
    digests = set()
    for room in ("1m", "14m"):  # no room for the first checkpoint; none for the second
        script = SCRIPT.format(room=room, python=sys.executable, train=TRAIN)
        done = subprocess.run(["unshare", "-rm", "bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert "code 74" in done.stdout.splitlines(), (room, done.stderr)
        assert "the disk is full; free some space, then resume with --resume." in done.stderr
        digests.add(done.stdout.splitlines()[-1])
    assert len(digests) == 1
    assert digests.pop().endswith("model/weights.safetensors")
