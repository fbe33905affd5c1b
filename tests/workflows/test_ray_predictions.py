"""Predictions by the workers of a Ray cluster: the bytes of one process, however a worker ends, and nothing lies around."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base.errors import MissingExtraError, RunError, SettingError, StriateError
from striate.workflows import cluster, ray_predictions
from striate.workflows.predict import model_for
from striate.workflows.prediction_options import PredictionOptions
from striate.workflows.ray_predictions import answered
from support import marked_processes, ray_cluster
from support.command_line import run
from support.in_ray_workers import NOTE_BYTES, endless_pieces
from support.models import tiny_model
from support.ray_processes import beside, title, workers_below

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own

PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), np.uint8)


@pytest.fixture(scope="module")
def one_cluster() -> Iterator[cluster.Cluster]:
    with ray_cluster.started() as connection:
        yield connection


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model `m` in the current folder, beside `p` of 600 files, of which one is damaged."""
    monkeypatch.chdir(tmp_path)
    return fill(tmp_path)


def fill(folder: Path, number: int = 600) -> Path:
    tiny_model().save(folder / "m")
    (folder / "p").mkdir()
    for n in range(number):
        Image.fromarray(np.roll(PIXELS_NHWC[n % 8], n, axis=0)).save(folder / f"p/{n:04}.png")
    (folder / "p/0300.png").write_bytes(b"no image")
    return folder / "p"


def contents(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.mark.soak
def test_tables_and_embeddings_have_the_bytes_of_one_process(images: Path, one_cluster: cluster.Cluster):
    shards = striate.write_shards(sorted_into_classes(images), "shards", shard_mb=0.02)
    assert shards["shards"] > 1
    write_tables(images)
    several = {"folder": "p", "list": ["p/0007.png", "p/00*.png", "p/0300.png"], "shards": "shards"}
    for name, given in (several | {"table": "list.csv", "parquet": "images.parquet"}).items():
        for engine in (None, "ray"):
            striate.predict("m", given, out=f"{name}-{engine}.csv", embed=f"{name}-{engine}.npy", engine=engine)
        for ending in ("csv", "npy"):
            assert Path(f"{name}-ray.{ending}").read_bytes() == Path(f"{name}-None.{ending}").read_bytes()
    for name in ("folder", "table", "parquet"):
        assert len(Path(f"{name}-ray.csv").read_text().splitlines()) == 601, "every image is one row"
    assert [row.path for row in striate.predict("m", PIXELS_NHWC, engine="ray")] == [f"[{n}]" for n in range(8)]


def write_tables(images: Path) -> None:
    """A row for each image, in another order than that of a folder: of paths, one of which is empty, and of the images."""
    import pyarrow.parquet

    names = [f"p/{path.name}" for path in sorted(images.glob("*.png"), reverse=True)]
    Path("list.csv").write_text("\n".join(["label,path", *(f"a,{name}" for name in names[:-1]), "b,"]) + "\n")
    contents = pyarrow.table({"image": [Path(name).read_bytes() for name in names]})
    pyarrow.parquet.write_table(contents, "images.parquet")


@pytest.mark.soak
def test_tables_of_the_rows_of_a_table_are_begun_by_one_engine_and_completed_by_the_other(
    images: Path, one_cluster: cluster.Cluster
):
    write_tables(images)
    for given in ("list.csv", "images.parquet"):
        whole, shared = f"whole-{given}.csv", f"shared-{given}.csv"
        striate.predict_parts("m", given, whole, 250)
        assert striate.predict_parts("m", given, shared, 250, engine="ray", shard="2/2")["computed"] == 250
        rest = striate.predict_parts("m", given, shared, 250, engine="ray")
        assert (rest["rows"], rest["errors"], rest["computed"]) == (600, 1 + (given == "list.csv"), 350)
        assert contents(shared) == contents(whole)
        assert striate.predict_parts("m", given, shared, 250)["computed"] == 0


def sorted_into_classes(images: Path) -> Path:
    for n, path in enumerate(sorted(images.glob("00*.png"))):
        place = Path("classes") / "ab"[n % 2] / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    return Path("classes")


@pytest.mark.soak
def test_a_folder_of_tables_is_begun_by_one_engine_and_completed_by_the_other(
    images: Path, one_cluster: cluster.Cluster, capsys: pytest.CaptureFixture[str]
):
    command = ["predict", "m", "p", "--parts", 280, "--probabilities"]
    run(capsys, *command, "--out", "whole.jsonl")
    first = run(capsys, *command, "--out", "rows.jsonl", "--engine", "ray", "--shard", "1/2", "--json")
    assert (first.json["rows"], first.json["computed"], first.json["complete"]) == (320, 320, False)
    assert len(first.out.splitlines()) == 1, "Ray prints nothing on stdout"
    run(capsys, *command, "--out", "rows.jsonl", "--shard", "2/2")
    again = run(capsys, *command, "--out", "rows.jsonl", "--engine", "ray", "--json")
    assert (again.json["rows"], again.json["errors"], again.json["computed"], again.json["complete"]) == (600, 1, 0, True)
    assert contents("rows.jsonl") == contents("whole.jsonl")
    (images / "0599.png").unlink()
    assert striate.predict_parts("m", "p", "rows.jsonl", 280, probabilities=True, engine="ray")["computed"] == 39


@pytest.mark.soak
def test_a_worker_that_is_killed_costs_no_row(images: Path, one_cluster: cluster.Cluster):
    striate.predict("m", "p", out="one.csv")
    killed: list[int] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "predict" and not killed:
            killed.extend(workers_below(os.getpid()))
            for process in killed:
                os.kill(process, signal.SIGKILL)

    rows = striate.predict("m", [f"p/{n % 600:04}.png" for n in range(6000)], engine="ray", watch=watch)
    assert killed
    assert [row.path for row in rows] == [f"p/{n % 600:04}.png" for n in range(6000)]
    striate.predict("m", "p", out="other.csv", engine="ray")
    assert Path("one.csv").read_bytes() == Path("other.csv").read_bytes()


@pytest.mark.soak
def test_no_more_images_are_listed_than_the_store_holds(images: Path, one_cluster: cluster.Cluster):
    """An endless list, whose end nobody could wait for, while nobody takes the rows."""
    model = model_for("m", "cpu", PredictionOptions())
    answers = answered(one_cluster, "m", model, "cpu", PredictionOptions(), partial(endless_pieces, Path("listed").resolve()))
    for _ in range(3):
        assert len(next(answers).rows) == 1
    time.sleep(10)
    assert Path("listed").stat().st_size * NOTE_BYTES <= cluster.STORE_BYTES
    answers.close()  # type: ignore[attr-defined]


@pytest.mark.soak
def test_what_a_worker_raises_is_raised_with_its_sentence(images: Path, one_cluster: cluster.Cluster):
    model = tiny_model()
    model.net.head.bias.data.fill_(float("nan"))
    model.save(Path("broken"))
    with pytest.raises(StriateError, match=r"^the network put out NaN or infinity for 256 of|^the network put out NaN"):
        striate.predict("broken", "p", engine="ray")
    with pytest.raises(SettingError, match=r"^engine=ray takes images that can be sent to other processes; got generator\."):
        striate.predict("m", (image for image in PIXELS_NHWC), engine="ray")
    if not one_cluster.gpus:
        with pytest.raises(SettingError, match=r"^device=cuda needs a GPU in the Ray cluster; it has none\."):
            striate.predict("m", "p", engine="ray", device="cuda")


def test_a_cluster_that_is_not_there_is_named(images: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _: True)
    with pytest.raises(SettingError, match=r"^expected ray_address as local, auto or HOST:PORT; got 'ray://there:1'\."):
        striate.predict("m", "p", ray_address="ray://there:1")
    with pytest.raises(
        StriateError, match=r"^expected a Ray cluster at 127\.0\.0\.1:9; it cannot be reached \(.+\)\. `ray start"
    ):
        cluster._reach("127.0.0.1:9")
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"^spreading work .* needs ray, .*: pip install 'striate\[scale\]'\.$"):
        striate.predict("m", "p", engine="ray")


def test_a_file_that_the_command_has_and_another_machine_lacks_is_named(images: Path):
    ray_predictions._refuse_absent("node-2", ["p/gone.png"])  # which is nowhere, and a row with its error
    with pytest.raises(RunError, match=rf"^expected {images}/0001\.png on each machine of the cluster; node-2 has none\."):
        ray_predictions._refuse_absent("node-2", ["p/gone.png", "p/0001.png"])


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_ends_early_leaves_no_process_and_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
):
    pytest.importorskip("ray", reason="of the extra scale")
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, 3000)
    command = [sys.executable, "-m", "striate", "predict", "m", "p", "--parts", "300"]
    subprocess.run([*command, "--out", "whole.csv"], check=True, capture_output=True)
    command += ["--out", "rows.csv", "--engine", "ray"]
    environment = {**os.environ, marked_processes.MARK: str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        while process.poll() is None and not Path("rows.csv/_striate/part-00002.json").is_file():
            time.sleep(0.05)
        started = beside(process.pid)
        folders = {found for each in started for found in re.findall(r"/tmp/striate-ray-\w+", title(each))}
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (75 if number == signal.SIGINT else -number)
    assert len(started) > 3, "what Ray runs beside the command"
    assert folders
    assert marked_processes.none_lives(str(tmp_path), seconds=60)
    left = [Path(folder) for folder in folders if Path(folder).exists()]
    assert bool(left) == (number == signal.SIGKILL)
    before = contents("rows.csv")
    subprocess.run(command, check=True, capture_output=True)
    assert not any(folder.exists() for folder in left)
    after = contents("rows.csv")
    assert after == contents("whole.csv")
    kept = {name for name in before if name.startswith("part-") and after[name] == before[name]}
    assert len(kept) >= 2
