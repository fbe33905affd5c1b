"""A model in its inference process gives the answers of `striate predict`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.workflows.serve.loaded_model import LoadedModel
from support.models import tiny_model
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


def odd_images(folder: Path) -> list[Path]:
    """Images of modes that decoders like to get wrong."""
    noise_HW4 = np.random.default_rng(5).integers(0, 256, (14, 17, 4), np.uint8)
    ramp_HW = np.linspace(0, 65535, 17 * 14).reshape(14, 17)
    rgb = Image.fromarray(noise_HW4[..., :3])
    turned = Image.Exif()
    turned[0x0112] = 6
    images = {
        "rgb.png": rgb, "gray.png": rgb.convert("L"), "bits.png": rgb.convert("1"), "alpha.png": Image.fromarray(noise_HW4),
        "la.png": Image.fromarray(noise_HW4).convert("LA"), "palette.gif": rgb.convert("P"), "cmyk.jpg": rgb.convert("CMYK"),
        "16.png": Image.fromarray(ramp_HW.astype(np.uint16)), "web.webp": rgb, "bmp.bmp": rgb,
        "float.tif": Image.fromarray((ramp_HW / 65535).astype(np.float32)),
    }  # fmt: skip
    for name, image in images.items():
        image.save(folder / name)
    rgb.save(folder / "turned.jpg", exif=turned)
    return sorted(folder.iterdir())


def test_answers_are_those_of_predict_for_images_of_odd_modes(served: Running, folder: Path, tmp_path: Path):
    paths = odd_images(tmp_path)
    assert len(paths) == 12
    rows = striate.predict(folder, paths)
    answers = served.client.post("/v1/predict", files=[("file", (path.name, path.read_bytes())) for path in paths]).json()
    for row, answer in zip(rows, answers["predictions"], strict=True):
        expected = row.as_json() | {"path": Path(row.path).name}
        assert [name for name, _ in answer["top"]] == [name for name, _ in expected["top"]]
        assert [share for _, share in answer["top"]] == pytest.approx([share for _, share in expected["top"]], abs=2e-6)
        assert answer | {"top": 0, "probability": 0} == expected | {"top": 0, "probability": 0}
    (embedding,) = served.client.post("/v1/embed", files={"file": paths[0].read_bytes()}).json()["embeddings"]
    assert embedding["embedding"] == pytest.approx(striate.load(folder).embed(paths[0]).tolist(), abs=1e-5)
