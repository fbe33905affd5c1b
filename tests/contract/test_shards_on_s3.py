"""Shards in a bucket of S3, as moto's server plays it on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.base.errors import DataError
from striate.data import remote_files, remote_index
from support import noise_photos

pytestmark = pytest.mark.soak
boto3 = pytest.importorskip("boto3", reason="of the extra soak")
s3fs = pytest.importorskip("s3fs", reason="of the extra soak")
moto_server = pytest.importorskip("moto.server", reason="of the extra soak")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket with 40 images in shards, and the client of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(remote_index, "_known", {})
    s3fs.S3FileSystem.clear_instance_cache()  # of the server of another test
    monkeypatch.setattr(remote_files, "WAITS", (0.01, 0.02, 0.03))
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "word", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    noise_photos.make_folder(tmp_path / "photos", ("png",))
    striate.write_shards("photos", "out", shard_mb=0.01)
    client = boto3.client("s3")
    client.create_bucket(Bucket="images")
    for path in Path("out").iterdir():
        client.upload_file(str(path), "images", f"a b/{path.name}")
    yield client
    server.stop()


def train(data: str) -> str:
    settings = {"train": {"steps": 3, "batch_size": 8}, "preprocess": {"size_px": 8, "pixel_cache_gb": 0}}
    return str(striate.train(data, net="conv 3x3x4, relu, fc", settings=settings, report=False)["weights_sha256"])


def test_training_from_a_bucket_gives_the_weights_of_the_folder(bucket: Any):
    assert train("s3://images/a b") == train("photos")


def test_a_shard_that_is_missing_in_the_bucket_is_named(bucket: Any):
    bucket.delete_object(Bucket="images", Key="a b/shard-000001.tar")
    with pytest.raises(DataError, match=r"^there is nothing at s3://images/a b/shard-000001.tar\. Copy it there"):
        striate.survey("s3://images/a b")
    with pytest.raises(DataError, match=r"^expected shards at s3://images/none; striate.index is not there"):
        striate.survey("s3://images/none")
