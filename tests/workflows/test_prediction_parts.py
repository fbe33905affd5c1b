"""Tables in parts: every image one row, nothing made twice, and the same bytes however often it was stopped."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import striate
from striate.base import files
from striate.base.errors import DataError, SettingError
from striate.data import decoded_pixels
from striate.data.decode import Decoded
from striate.workflows import prediction_parts
from striate.workflows.prediction_options import Parts
from support.command_line import run
from support.models import tiny_model

PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (7, 12, 12, 3), np.uint8)
NAMES = [f"p/{n}.png" for n in range(7)]


@pytest.fixture(autouse=True)
def _model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model `m` in the current folder, beside `p` of the files 0.png to 6.png, of which 4.png is damaged."""
    monkeypatch.chdir(tmp_path)
    tiny_model().save(Path("m"))
    Path("p").mkdir()
    for name, pixels in zip(NAMES, PIXELS_NHWC, strict=True):
        Image.fromarray(pixels).save(name)
    Path("p/4.png").write_bytes(b"no image")


def contents(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def table(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def test_the_tables_together_are_the_one_table():
    result = striate.predict_parts("m", "p", "rows.csv", 3)
    assert result == {
        "out": "rows.csv", "images": 7, "rows": 7, "errors": 1, "computed": 7, "tables": 3, "complete": True,
    }  # fmt: skip
    striate.predict("m", "p", out="one.csv")
    tables = [table(path) for path in sorted(Path("rows.csv").glob("part-*.csv"))]
    assert [len(rows) - 1 for rows in tables] == [3, 3, 1]
    joined = [tables[0][0], *(row for rows in tables for row in rows[1:])]
    one = table(Path("one.csv"))
    assert [row[:2] for row in joined] == [row[:2] for row in one]
    assert [float(row[2] or 0) for row in joined[1:]] == pytest.approx([float(row[2] or 0) for row in one[1:]], abs=1e-5)
    notes = [json.loads(path.read_text()) for path in sorted(Path("rows.csv/_striate").glob("part-*.json"))]
    assert [(note["rows"], note["errors"]) for note in notes] == [(3, 0), (3, 1), (1, 0)]


def test_stopped_at_any_write_it_goes_on_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    """The plan, and of each of three parts its rows, its embeddings and its note: ten writes."""
    arguments: Any = {"embed": "whole.npy", "probabilities": True}
    striate.predict_parts("m", "p", "whole.jsonl", 3, **arguments)
    expected, write = contents("whole.jsonl"), files.write_bytes
    for stop in range(10):
        writes: list[Path] = []

        def failing(path: Path, content: bytes, stop: int = stop, writes: list[Path] = writes) -> None:
            if len(writes) == stop:
                raise KeyboardInterrupt
            writes.append(path)
            write(path, content)

        arguments["embed"], out = f"e{stop}.npy", f"r{stop}.jsonl"
        with monkeypatch.context() as patch:
            patch.setattr(files, "write_bytes", failing)
            with pytest.raises(KeyboardInterrupt):
                striate.predict_parts("m", "p", out, 3, **arguments)
        result = striate.predict_parts("m", "p", out, 3, **arguments)
        assert result["computed"] == 7 - 3 * ((stop - 1) // 3) if stop > 0 else 7
        assert contents(out) == expected
        assert contents(f"e{stop}.npy") == contents("whole.npy")


def test_what_a_killed_writer_left_is_removed():
    Path("rows.csv").mkdir()
    Path("rows.csv/.part-00001.csv.77.tmp").write_text("half")
    striate.predict_parts("m", "p", "rows.csv", 3)
    assert not list(Path("rows.csv").rglob(".*"))


def test_given_again_it_changes_nothing():
    striate.predict_parts("m", "p", "rows.parquet", 3)
    before = {path: path.stat().st_mtime_ns for path in Path("rows.parquet").rglob("*")}
    result = striate.predict_parts("m", "p", "rows.parquet", 3)
    assert (result["rows"], result["errors"], result["computed"]) == (7, 1, 0)
    assert {path: path.stat().st_mtime_ns for path in Path("rows.parquet").rglob("*")} == before
    table = pyarrow.parquet.read_table("rows.parquet")
    assert table["path"].to_pylist() == NAMES, "a reader of tables leaves out the notes"


def test_a_changed_image_or_table_is_computed_again_with_its_part_alone():
    striate.predict_parts("m", "p", "rows.csv", 3)
    Path("rows.csv/part-00001.csv").write_text("edited")
    assert striate.predict_parts("m", "p", "rows.csv", 3)["computed"] == 3
    Image.fromarray(PIXELS_NHWC[0]).save("p/4.png")
    result = striate.predict_parts("m", "p", "rows.csv", 3)
    assert (result["computed"], result["errors"]) == (3, 0)
    os.utime("p/6.png", ns=(0, 0))
    assert striate.predict_parts("m", "p", "rows.csv", 3)["computed"] == 1
    Path("p/6.png").unlink()
    assert striate.predict_parts("m", "p", "rows.csv", 3)["computed"] == 0
    assert sorted(path.name for path in Path("rows.csv").glob("p*")) == ["part-00000.csv", "part-00001.csv"]
    Path("p/0.png").unlink()
    result = striate.predict_parts("m", "p", "rows.csv", 3)
    assert (result["computed"], result["tables"]) == (5, 2), "the images of every table are others now"


def test_an_image_that_the_machine_could_not_decode_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def failing(paths: Iterable[Path], *_spec: Any) -> Iterator[Decoded]:
        return (Decoded(None, None, "the process was ended by the system", outage=True) for _ in paths)

    with monkeypatch.context() as patch:
        patch.setattr(decoded_pixels, "stream", failing)
        assert striate.predict_parts("m", NAMES[:3], "rows.csv", 3)["errors"] == 3
    assert caplog.messages == [
        "3 images of part 0 could not be decoded, for which the files may not be the reason; given again, the command computes "
        "that part anew."
    ]
    result = striate.predict_parts("m", NAMES[:3], "rows.csv", 3)
    assert (result["computed"], result["errors"]) == (3, 0)


def test_images_in_memory_are_told_by_their_content():
    striate.predict_parts("m", PIXELS_NHWC, "rows.csv", 3)
    changed_NHWC = PIXELS_NHWC.copy()
    changed_NHWC[6] = 0
    assert striate.predict_parts("m", changed_NHWC, "rows.csv", 3)["computed"] == 1
    mixed: list[Any] = [Image.fromarray(PIXELS_NHWC[0]), b"nothing", NAMES[1], None]
    with pytest.raises(SettingError, match=r"expected an image as a path"):
        striate.predict_parts("m", mixed, "mixed.csv", 2)
    assert striate.predict_parts("m", mixed[:3], "mixed.csv", 2)["errors"] == 1
    assert striate.predict_parts("m", mixed[:3], "mixed.csv", 2)["computed"] == 0


def test_shards_share_the_tables_and_the_last_one_knows_that_all_are_there():
    striate.predict_parts("m", "p", "whole.csv", 2)
    first = striate.predict_parts("m", "p", "rows.csv", 2, shard="2/3")
    assert (first["rows"], first["tables"], first["complete"]) == (2, 4, False)
    striate.predict_parts("m", "p", "rows.csv", 2, shard="1/3")
    assert sorted(path.name for path in Path("rows.csv").glob("p*")) == [f"part-0000{n}.csv" for n in (0, 1, 3)]
    assert striate.predict_parts("m", "p", "rows.csv", 2, shard="3/3")["complete"]
    assert contents("rows.csv") == contents("whole.csv")


def test_a_part_without_any_image_that_can_be_decoded_has_embeddings_too():
    for name in NAMES[:3]:
        Path(name).write_bytes(b"no image")
    striate.predict_parts("m", "p", "rows.csv", 3, embed="e.npy")
    embeddings = [np.load(path) for path in sorted(Path("e.npy").glob("part-*.npy"))]
    assert [array.shape for array in embeddings] == [(3, 144), (3, 144), (1, 144)]
    assert np.isnan(embeddings[0]).all()


def test_no_more_images_are_listed_than_a_table_has(monkeypatch: pytest.MonkeyPatch):
    listed: list[int] = []

    def counted(batch: Any) -> str:
        listed.append(len(batch))
        return str(len(listed))

    monkeypatch.setattr(prediction_parts, "_images_sha256", counted)
    striate.predict_parts("m", (PIXELS_NHWC[n % 7] for n in range(20)), "rows.csv", 6)
    assert listed == [6, 6, 6, 2]


def test_the_command_names_options_as_they_are_written(capsys: pytest.CaptureFixture[str]):
    run(capsys, "predict", "m", "p", "--out", "rows.csv", "--parts", 3)
    printed = run(capsys, "predict", "m", "p", "--out", "rows.csv", "--parts", 2, "--embed", "e.npy")
    assert printed.err.rstrip().endswith(
        "striate: the tables in rows.csv were made with other options: --parts 3, now 2; --embed False, now True. Give another "
        "folder, or delete this one."
    )


def test_tables_of_another_model_or_of_other_options_are_refused():
    striate.predict_parts("m", "p", "rows.csv", 3)
    expected = (
        r"^the tables in rows\.csv were made with other options: parts 3, now 2; threshold None, now 0\.5\. Give "
        r"another folder, or delete this one\.$"
    )
    with pytest.raises(SettingError, match=expected):
        striate.predict_parts("m", "p", "rows.csv", 2, threshold=0.5)
    tiny_model(side=10).save(Path("other"))
    with pytest.raises(SettingError, match=r"were made with other options: model '[0-9a-f]{64}', now '[0-9a-f]{64}'\. Give"):
        striate.predict_parts("other", "p", "rows.csv", 3)
    plan = Path("rows.csv/_striate/plan.json")
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"engine": "onnx", "model": "ab" * 32}))
    with pytest.raises(SettingError, match=r"were made with other options: engine 'onnx', now 'torch'\. Give another folder"):
        striate.predict_parts("m", "p", "rows.csv", 3)
    Path("own.csv").mkdir()
    Path("own.csv/part-7.csv").write_text("mine")
    with pytest.raises(SettingError, match=r"or one that `striate predict --parts` wrote; own\.csv holds other tables"):
        striate.predict_parts("m", "p", "own.csv", 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "rows.csv", "parts": 0}, r"expected parts of at least 1 row; got 0\."),
        (
            {"out": "rows", "parts": 3},
            r"expected a folder of tables that ends in \.csv, .*, \.parquet; got rows\.",
        ),
        ({"out": "m/model.json/rows.csv", "parts": 3}, r"expected a folder to write into at m/model\.json; it is a file\."),
        (
            {"out": "rows.csv", "parts": 3, "embed": "e.csv"},
            r"a folder of tables that ends in \.npy, \.parquet; got e\.csv",
        ),
        (
            {"out": "rows.csv", "parts": 3, "embed": "e.npy", "crops": 5},
            r"embed=e\.npy does not apply to crops=5: an",
        ),
        *[
            (
                {"out": "rows.csv", "parts": 3, "shard": shard},
                rf"expected shard as I/N with I from 1 to N, such as 1/4; got '{shard}'",
            )
            for shard in ("5/4", "0/2", "1", "a/b", "1/2/3", "-1/2")
        ],
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(options: Any, message: str):
    with pytest.raises(SettingError, match=message):
        striate.predict_parts("m", "p", **options)
    assert not Path("rows.csv").exists()


def test_nothing_to_predict_is_refused():
    with pytest.raises(DataError, match=r"expected at least one image; got none\."):
        striate.predict_parts("m", [], "rows.csv")


def test_turns_of_shards():
    assert [Parts(10, shard).turns() for shard in (None, "1/1", "2/5", "5/5")] == [(0, 1), (0, 1), (1, 5), (4, 5)]


def test_the_command_counts_every_image(capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "predict", "m", "p", "--out", "rows.csv", "--parts", 3, "--shard", "1/2")
    assert done.out.splitlines() == [
        "4 rows in rows.csv, 0 of them errors",
        "  not complete: of 3 tables of 7 images those of other shards are missing",
    ]
    assert "images a second" in done.err
    done = run(capsys, "predict", "m", "p", "--out", "rows.csv", "--parts", 3)
    assert done.out.splitlines() == ["7 rows in rows.csv, 1 of them errors", "  4 rows had been computed before"]
    done = run(capsys, "predict", "m", "p", "--out", "rows.csv", "--parts", 3, "--json")
    assert (done.json["rows"], done.json["computed"], done.json["complete"]) == (7, 0, True)
    assert run(capsys, "predict", "m", "p", "--out", "one.csv", "--json").json["errors"] == 1
    for options, message in (
        (("--shard", "1/2"), "--shard needs --parts: the tables of a folder are shared out. Give both."),
        (("--parts", "3"), "--parts needs --out: the tables of a folder are shared out. Give both."),
    ):
        assert run(capsys, "predict", "m", "p", *options).err.rstrip() == f"striate: {message}"


@pytest.mark.soak
def test_killed_at_any_time_it_goes_on_to_the_same_bytes(tmp_path: Path):
    """Twelve kills of the command, each a little later than the one before, and no part is made twice."""
    for n in range(200):
        Image.fromarray(np.roll(PIXELS_NHWC[n % 4], n, axis=0)).save(f"p/k{n}.png")
    command = [sys.executable, "-m", "striate", "predict", "m", "p", "--parts", "10", "--out"]
    subprocess.run([*command, "whole.csv"], check=True, capture_output=True)
    for _ in range(12):
        before = {name: content for name, content in contents("rows.csv").items() if not name.endswith(".tmp")}
        with subprocess.Popen([*command, "rows.csv"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list(Path("rows.csv").glob("_striate/part-*"))) <= len(before) // 2:
                time.sleep(0.01)
            process.kill()
        after = contents("rows.csv")
        assert {name: after[name] for name in before} == before
    subprocess.run([*command, "rows.csv"], check=True, capture_output=True)
    assert contents("rows.csv") == contents("whole.csv")


@pytest.mark.soak
def test_a_million_images_take_the_memory_of_one_table():
    """The peak after 50,000 images and after a million differ by less than 32 MB."""
    resource = pytest.importorskip("resource")
    images = (PIXELS_NHWC[n % 7] for n in range(1_000_000))
    peaks: list[int] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "predict" and event["done"] % 50_000 == 0:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    result = striate.predict_parts("m", images, "rows.csv", 10_000, watch=watch)
    assert (result["rows"], result["tables"], result["errors"]) == (1_000_000, 100, 0)
    assert peaks[-1] - peaks[0] < 32 * 1024
