"""Shards at an address are data as the same shards on a disk are: to survey, train, resume, evaluate and predict."""

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import striate
from striate.base import addresses
from striate.base.errors import DataError, Interrupted, SettingError
from striate.base.settings import Data
from striate.data import decode, read_ahead, remote_files, remote_index, shard_paths, sources
from support import noise_photos
from support.range_server import RangeServer, serving


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A server of `out`, 40 images in many shards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(addresses, "_secrets", {})
    monkeypatch.setattr(remote_index, "_known", {})
    monkeypatch.setattr(remote_files, "WAITS", (0.01, 0.02, 0.03))
    monkeypatch.delenv("http_proxy", raising=False)
    noise_photos.make_folder(tmp_path / "photos")
    striate.write_shards("photos", "out", shard_mb=0.01)
    with serving(tmp_path) as server:
        yield server


def train(data: Any, name: str | None = None, resume: bool = False, watch: Any = None, **more: Any) -> dict[str, Any]:
    settings = {"train": {"steps": 6, "batch_size": 8}, "preprocess": {"size_px": 8, **more}}
    how: dict[str, Any] = {"name": name, "resume": resume, "report": False, **({"watch": watch} if watch else {})}
    return striate.train(data, settings=None if resume else settings, net=None if resume else "conv 3x3x4, relu, fc", **how)


def test_training_at_an_address_gives_the_weights_of_the_folder(server: RangeServer):
    address = f"http://me:word@{server.host}/out?signature=secret"
    assert (address.partition("?")[0]).startswith("http://me")
    results = [train(data) for data in ("photos", "out", address, Path(f"{server.address}/out/striate.index"))]
    server.requests.clear()
    results += [train(address, pixel_cache_gb=0)]  # read anew for each epoch
    assert len({result["weights_sha256"] for result in results}) == 1
    assert len({(result["test"]["accuracy"], result["test"]["n"]) for result in results}) == 1
    shards = len(json.loads(Path("out/classes.json").read_text())) and len([*Path("out").glob("*.tar")])
    assert max(server.asked().values()) < 20, "images of a shard are read together"
    assert sum(server.asked().values()) < 8 * shards
    run = results[2]["run"]
    scores = [striate.evaluate(run, data) for data in ("photos", address)]
    for key in ("n", "accuracy", "confusion", "per_class"):
        assert scores[0][key] == scores[1][key]
    of_files = {row.path.removeprefix("photos/"): row.prediction for row in striate.predict(run, "photos")}
    index = f"{server.address}/out/striate.index"
    rows = list(striate.predict(run, address))
    assert {row.path.removeprefix(f"{index}/"): row.prediction for row in rows} == of_files
    # alone an image may differ from itself among others in the last bits, so both are asked for alone
    assert striate.predict(run, f"{index}/cat/3.png").prediction == striate.predict(run, "photos/cat/3.png").prediction
    surveys = [striate.survey(data) for data in ("photos", address)]
    assert surveys[0].as_json() | {"data": ""} == surveys[1].as_json() | {"data": ""}
    assert surveys[1].as_json()["data"] == f"{server.address}/out"
    for path in (path for path in Path.cwd().rglob("*") if path.is_file()):
        held = path.read_bytes()
        assert b"secret" not in held, path
        assert b"word@" not in held, path


def test_a_run_at_an_address_is_resumed_to_the_same_weights(server: RangeServer):
    address = f"{server.address}/out"
    expected = train(address, pixel_cache_gb=0)["weights_sha256"]

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 3:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        train(address, "run", watch=stop, pixel_cache_gb=0)
    assert train(f"http://me:word@{server.host}/out", "run", resume=True)["weights_sha256"] == expected


def test_predictions_in_parts_are_not_computed_again(server: RangeServer):
    run, address = train("photos")["run"], f"{server.address}/out"
    first = striate.predict_parts(run, address, "rows.csv", 15)
    assert (first["rows"], first["computed"], first["complete"]) == (40, 40, True)
    server.requests.clear()
    assert striate.predict_parts(run, address, "rows.csv", 15)["computed"] == 0
    assert not [target for target, asked, _ in server.requests if ".tar" in target and asked != "bytes=0-0"]


def test_shards_in_memory_are_read_by_fsspec(server: RangeServer, tmp_path: Path):
    name = tmp_path.name
    fsspec.filesystem("memory").put(str(tmp_path / "out"), f"/{name}", recursive=True)
    assert train(f"memory://{name}")["weights_sha256"] == train("out")["weights_sha256"]


def read(server: RangeServer) -> list[decode.Decoded]:
    examples = sources.read(Data(path=f"{server.address}/out"))
    return list(decode.stream([examples.root / name for name in examples.names], None))


def test_damaged_bytes_are_read_once_more_and_then_named_with_their_place(server: RangeServer):
    expected = [verdict.content_hash for verdict in read(server)]
    shard = "shard-000001.tar"
    server.faults[shard] = deque([None, "changed"])  # the first request is for its length
    assert [verdict.content_hash for verdict in read(server)] == expected
    server.faults[shard] = deque([None])
    server.always[shard] = "changed"
    bad = [verdict.reason for verdict in read(server) if verdict.reason]
    assert bad
    assert len(bad) < 40
    for reason in bad:
        assert reason.startswith(f"{shard}, the ")
        assert reason.endswith("are not those that the index has the checksum of; copy the shard again")


def test_a_shard_that_fails_in_the_middle_ends_the_command_with_its_address(server: RangeServer):
    server.faults["shard-000002.tar"] = deque([None])
    server.always["shard-000002.tar"] = 503
    with pytest.raises(
        DataError, match=rf"^{server.address}/out/shard-000002.tar is not read, in 4 tries: the server answers 503"
    ):
        read(server)
    server.faults["shard-000002.tar"] = deque([None])
    with pytest.raises(DataError, match=r"shard-000002\.tar is not read, in 4 tries"):
        train(f"{server.address}/out")


@pytest.mark.children
def test_a_reading_that_is_left_does_not_wait_for_a_server_that_hangs(server: RangeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(read_ahead, "MOST_IMAGES", 4)
    examples = sources.read(Data(path=f"{server.address}/out"))
    columns = shard_paths.opened(examples.root).columns
    order = np.lexsort((columns["offset"], columns["shard"])).tolist()  # so that the first are in the first shards
    server.always |= {f"shard-{number:06d}.tar": "hang" for number in range(5, 20)}
    server.hang_seconds = 60
    answers = decode.stream([examples.root / examples.names[row] for row in order], None, 1)
    begun = time.monotonic()
    with closing(answers):
        assert next(answers).facts is not None
    assert time.monotonic() - begun < 30


def test_a_missing_and_a_shortened_shard_are_named_before_anything_begins(server: RangeServer):
    shard = Path("out/shard-000001.tar")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-512])
    with pytest.raises(DataError, match=rf"the shard .*/out/{shard.name} has .* bytes, and had {len(whole):,} when"):
        read(server)
    shard.unlink()
    with pytest.raises(DataError, match=rf"there is nothing at {server.address}/out/{shard.name} \(404 Not Found\)"):
        read(server)


def test_an_index_that_changes_is_fetched_again_and_a_damaged_one_is_refused(server: RangeServer):
    address, index = f"{server.address}/out", Path("out/striate.index")
    assert len(sources.read(Data(path=address))) == 40
    server.requests.clear()
    sources.read(Data(path=address))
    assert server.asked()["striate.index"] == 2, "its length and its checksum"
    for path in Path("out").iterdir():
        path.unlink()
    for path in Path("photos/cat").glob("1*"):
        path.unlink()
    striate.write_shards("photos", "out", shard_mb=0.01)
    assert len(sources.read(Data(path=address))) == 29
    content = index.read_bytes()
    index.write_bytes(content[:-40] + b"\1" + content[-39:])
    sources.read(Data(path=address))  # the cache has what the checksum is of
    index.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=rf"the index {address}/striate.index is damaged, or is being written"):
        sources.read(Data(path=address))
    index.unlink()
    with pytest.raises(DataError, match=rf"expected shards at {address}; striate.index is not there"):
        sources.read(Data(path=address))


def test_a_tar_at_an_address_is_refused_alike_by_what_trains_scores_and_predicts(server: RangeServer):
    result = train("out", "of-shards")
    for address, words in (
        (f"{server.address}/out/shard-000000.tar", r"got that of the tar {}\. Give the folder that has its striate\.index\."),
        (
            f"{server.address}/photos",
            r"expected shards at {}; striate\.index is not there\. .* Tars without that file are read",
        ),
    ):
        for refused in (
            lambda place: train(place), lambda place: striate.evaluate(result["run"], place),
            lambda place: striate.predict(result["run"], place), lambda place: striate.survey(place),
        ):  # fmt: skip
            with pytest.raises(DataError, match=words.format(address)):
                refused(address)
    with pytest.raises(DataError, match=r"got the tar file out/shard-000000\.tar\. Give the folder that it lies in"):
        striate.predict(result["run"], "out/shard-000000.tar")
    with pytest.raises(DataError, match=r"got the file out/shard-000000\.tar\. Give the folder that it lies in"):
        train("out/shard-000000.tar")


def test_images_in_one_request_are_those_that_lie_near_each_other(server: RangeServer, monkeypatch: pytest.MonkeyPatch):
    examples = sources.read(Data(path=f"{server.address}/out"))
    paths = [examples.root / name for name in examples.names][::-1]
    for gap, images in ((0, 256), (2**17, 7), (2**17, 256)):
        monkeypatch.setattr(read_ahead, "GAP", gap)
        monkeypatch.setattr(read_ahead, "MOST_IMAGES", images)
        server.requests.clear()
        with read_ahead.Files(paths + paths[:3] + [Path("photos/cat/1.png")] + paths[:1]) as files:
            for path, (read, content, refused) in zip([*paths, *paths[:3], None, paths[0]], files, strict=True):
                assert (read, content) == ((path, decode.read_file(path)) if path else (Path("photos/cat/1.png"), b""))
                assert not refused
    assert shard_paths.content_of(paths[0]) != shard_paths.content_of(paths[1])
    absent = examples.root / "cat" / "none.png"
    with read_ahead.Files([absent, Path("s3:/bucket/1.png")]) as files:
        assert [file.refused for file in files] == [
            f"{server.address}/out/striate.index has no image of this name",
            "not an image of shards, which alone are read from addresses",
        ]


def test_shards_are_not_written_to_an_address():
    with pytest.raises(SettingError, match=r"^expected a folder for shards; got the address s3://bucket/out\. Write them into"):
        striate.write_shards("digits", "s3://me:word@bucket/out")


def test_settings_of_folders_do_not_apply(server: RangeServer):
    with pytest.raises(DataError, match=r"data.labels_from applies to a folder of images"):
        striate.survey(f"{server.address}/out", {"labels_from": "parent"})
