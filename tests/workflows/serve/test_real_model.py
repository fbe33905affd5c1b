"""A model in its inference process gives the answers of `striate predict`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import striate
from striate.workflows.serve.loaded_model import LoadedModel
from support.models import tiny_model
from support.odd_images import odd_images
from support.serving import Running, running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "model"
    tiny_model().save(folder)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Running]:
    model = LoadedModel(str(folder), "cpu")
    model.load()
    with running(model, deadline=120) as server:
        yield server


def test_answers_are_those_of_predict_for_images_of_odd_modes(served: Running, folder: Path, tmp_path: Path):
    paths = [path for path in odd_images(tmp_path) if path.stem[2:] not in ("cut", "text")]
    assert len(paths) == 23
    rows = striate.predict(folder, paths)
    answers = served.client.post("/v1/predict", files=[("file", (path.name, path.read_bytes())) for path in paths]).json()
    for row, answer in zip(rows, answers["predictions"], strict=True):
        expected = row.as_json() | {"path": Path(row.path).name}
        assert [name for name, _ in answer["top"]] == [name for name, _ in expected["top"]]
        assert [share for _, share in answer["top"]] == pytest.approx([share for _, share in expected["top"]], abs=2e-6)
        assert answer | {"top": 0, "probability": 0} == expected | {"top": 0, "probability": 0}
    (embedding,) = served.client.post("/v1/embed", files={"file": paths[0].read_bytes()}).json()["embeddings"]
    assert embedding["embedding"] == pytest.approx(striate.load(folder).embed(paths[0]).tolist(), abs=1e-5)
