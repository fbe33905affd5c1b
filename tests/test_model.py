import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.base import files
from striate.base.errors import ArtifactError, DataError, DecodeError, NumbersError, SettingError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.metrics.classification import softmax
from striate.metrics.confidence import Confidence
from striate.model import Model
from striate.nets.factory import build
from support.shape_images import draw

LOOK = InputSpec(12, 3, "squash", (9, 8, 7))
PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3), np.uint8)


def model(mean: torch.Tensor | None = None, name: str = "conv 3x3x4, bn, relu, pool 2, fc", **settings: float) -> Model:
    preprocess = Preprocess(torch.full((3, 1, 1), 0.4) if mean is None else mean, torch.full((3, 1, 1), 0.3))
    net = build(name, (3, 12, 12), 3, **settings).eval()
    return Model(net, name, settings, preprocess, LOOK, ("a", "b", "c"), training={"seed": 1})


@pytest.mark.parametrize("mean", [None, torch.rand(3, 12, 12)], ids=["mean pixel", "mean image"])
def test_it_comes_back_bit_for_bit(tmp_path: Path, mean: torch.Tensor | None):
    made = model(mean)
    made.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert np.array_equal(made.logits(PIXELS_NHWC), again.logits(PIXELS_NHWC))
    assert (again.input_spec, again.classes, again.training) == (LOOK, ("a", "b", "c"), {"seed": 1})


def test_the_white_level_travels_and_decides_alike_for_paths_and_pil_images(tmp_path: Path):
    replace(model(), input_spec=LOOK._replace(white_level=4095)).save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.input_spec.white_level == 4095
    image = Image.fromarray(np.full((12, 12), 1000, np.uint16))
    image.save(tmp_path / "one.png")
    assert np.unique(again.pixels([tmp_path / "one.png", image])).tolist() == [62]  # 1000 * 255 / 4095 = 62.3
    with pytest.raises(DecodeError, match=r"one\.png: pixels from 1000 to 1000 would become at most 5 of 256 levels"):
        model().pixels([tmp_path / "one.png"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda described: described["input_spec"].update(size_px=10**9),
            "images of 1,000,000,000 pixels a side; at most 4,096",
        ),
        (lambda described: described.update(license="x" * 2**24), r"model.json has [\d,]+ bytes; at most 16,777,216"),
    ],
    ids=["pixels", "bytes"],
)
def test_a_description_that_would_take_all_memory_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], reason: str
):
    model().save(tmp_path / "model")
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    change(described)
    (tmp_path / "model" / "model.json").write_text(json.dumps(described))
    (tmp_path / "model" / files.MANIFEST).write_text(files.manifest(tmp_path / "model"))
    with pytest.raises(ArtifactError, match=rf"does not describe a model of striate \(ValueError: {reason}\)"):
        Model.load(tmp_path / "model")


def test_settings_of_the_network_travel(tmp_path: Path):
    made = model(name="mnist_cnn", dropout=0.25)
    made.save(tmp_path / "model")
    assert Model.load(tmp_path / "model").net.get_submodule("dropout").p == 0.25


def test_paths_bytes_and_arrays_get_the_same_answer(tmp_path: Path):
    image = draw("circle", 1)
    image.save(tmp_path / "one.png")
    path = tmp_path / "one.png"
    said = model().predict([path, str(path), path.read_bytes(), np.asarray(image)])
    assert len(set(said)) == 1
    first = said[0]
    assert first.label == first.top[0][0]
    assert sum(share for _, share in first.top) == pytest.approx(1)
    assert (first.abstained, first.unknown) == (False, None)
    assert f"<th>{first.label}</th>" in first._repr_html_()
    assert f"{100 * first.probability:.2f} %</td>" in first._repr_html_()


def test_a_notebook_shows_what_a_model_is_and_a_row_for_each_prediction():
    small = model()
    html = replace(small, classes=("<b>", "b", "c"))._repr_html_()
    for text in ("<th>parameters</th>", ">12 x 12 px, color, squash<", ">&lt;b&gt;, b, c<"):
        assert text in html
    pixels_NHWC = np.zeros((2, 12, 12, 3), np.uint8)
    assert small.predict(pixels_NHWC)._repr_html_().count("<th>label</th>") == 1
    assert len(small.predict(pixels_NHWC)) == 2


def test_images_come_as_the_network_takes_them(tmp_path: Path):
    image = draw("circle", 1)
    image.save(tmp_path / "one.png")
    made = model()
    images_NCHW = made.images([tmp_path / "one.png", np.asarray(image)])
    assert images_NCHW.shape == (2, 3, 12, 12)
    assert torch.equal(images_NCHW[0], images_NCHW[1])
    with torch.no_grad():
        logits_NK = made.net(images_NCHW)
    assert made.answers(logits_NK.numpy()) == made.predict([np.asarray(image)] * 2)
    with pytest.raises(SettingError, match="expected at least one image; got none"):
        made.images([])
    assert torch.equal(made.images(tmp_path / "one.png"), images_NCHW[0])
    assert np.array_equal(made.pixels(image), made.pixels([image])[0])


def test_a_gray_array_is_as_good_as_its_color_twin():
    gray = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    one, other = model().predict([gray, np.repeat(gray[..., None], 3, axis=2)])
    assert one == other


def test_a_threshold_makes_it_abstain():
    made = model()
    plain = made.predict([PIXELS_NHWC[0]])[0]
    for offset, abstained in ((1e-6, True), (-1e-6, False)):
        confident = replace(made, confidence=Confidence(threshold=plain.probability + offset))
        assert confident.predict([PIXELS_NHWC[0]])[0].abstained == abstained


def test_the_confidence_travels_and_decides_predictions(tmp_path: Path):
    confidence = Confidence(temperature=2.5, threshold=0.4, max_error=0.05, coverage=0.9, set_threshold=0.3)
    replace(model(), confidence=confidence).save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.confidence == confidence
    logits_NK = again.logits(PIXELS_NHWC)
    assert np.array_equal(logits_NK, model().logits(PIXELS_NHWC))
    shares_NK = again.probabilities(logits_NK)
    assert np.array_equal(shares_NK, softmax(logits_NK.astype(np.float64) / 2.5))
    prediction = again.predict(PIXELS_NHWC[0])
    assert prediction.probability == pytest.approx(shares_NK[0].max())
    assert prediction.set == tuple(name for name, share in prediction.top if share >= 0.3)
    assert prediction.abstained == (prediction.probability < 0.4)


def test_a_description_of_before_temperatures_is_read(tmp_path: Path):
    model().save(tmp_path / "model")
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    for own, expected in ((None, Confidence(threshold=0.4)), ({"temperature": -1}, None)):
        changed = {name: value for name, value in described.items() if name != "confidence"} | {"threshold": 0.4}
        changed |= {} if own is None else {"confidence": own}
        (tmp_path / "model" / "model.json").write_text(json.dumps(changed))
        (tmp_path / "model" / files.MANIFEST).write_text(files.manifest(tmp_path / "model"))
        if expected is not None:
            assert Model.load(tmp_path / "model").confidence == expected
            continue
        with pytest.raises(ArtifactError, match=r"expected a temperature above 0; got -1"):
            Model.load(tmp_path / "model")


def test_an_answer_does_not_depend_on_its_batch():
    made = model()
    alone = np.concatenate([made.logits(PIXELS_NHWC[i : i + 1]) for i in range(70)])
    assert np.allclose(made.logits(PIXELS_NHWC), alone, atol=1e-5)
    assert made.logits(PIXELS_NHWC[:0]).shape == (0, 3)


def test_an_image_of_pillow_s_with_whole_numbers_is_taken_as_its_file():
    numbers = np.linspace(0, 65535, 144).reshape(12, 12).astype(np.int32)
    buffer = io.BytesIO()
    Image.fromarray(numbers.astype(np.uint16)).save(buffer, "PNG")
    wide, file = (model().predict([given])[0].top for given in (Image.fromarray(numbers), buffer.getvalue()))
    assert wide == file


def test_what_is_no_image_is_refused(tmp_path: Path):
    made = model()
    with pytest.raises(DataError, match=r"there is nothing at .*absent\.png"):
        made.predict([tmp_path / "absent.png"])
    (tmp_path / "bad.png").write_bytes(b"no image")
    for given, name in ((tmp_path / "bad.png", r"bad\.png"), (b"no image", r"\[0\]")):
        with pytest.raises(DecodeError, match=rf"{name}: not one of the formats"):
            made.predict(given)
    assert made.predict([]) == []
    assert made.pixels([]).shape == (0, 12, 12, 3)


def test_every_flipped_bit_is_refused_by_name(tmp_path: Path):
    model().save(tmp_path / "model")
    generator = np.random.default_rng(0)
    for name in ("weights.safetensors", "model.json"):
        path = tmp_path / "model" / name
        whole = path.read_bytes()
        for position in generator.integers(0, len(whole) * 8, 40):
            content = bytearray(whole)
            content[position // 8] ^= 1 << (position % 8)
            path.write_bytes(content)
            with pytest.raises(ArtifactError, match=name):
                Model.load(tmp_path / "model")
        path.write_bytes(whole)
    Model.load(tmp_path / "model")


def test_no_pickle_is_in_the_artifact(tmp_path: Path):
    model().save(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"weights.safetensors", "model.json", "MANIFEST.sha256"}
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    assert described["classes"] == ["a", "b", "c"]
    assert described["preprocess"]["mean"] == pytest.approx([0.4] * 3)


def test_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("striate.model.FORMAT", 2)
    model().save(tmp_path / "model")
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match=r"has format 2; this striate reads 1. Update striate."):
        Model.load(tmp_path / "model")


def test_a_folder_that_is_absent_is_named(tmp_path: Path):
    with pytest.raises(ArtifactError, match=r"expected a model folder at .*none; there is none"):
        Model.load(tmp_path / "none")


def test_an_image_is_the_same_however_it_is_given(tmp_path: Path):
    picture = draw("circle", 3)
    for mode in ("RGB", "L", "P", "CMYK"):
        image, path = picture.convert(mode), tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        image.save(path)
        classifier = model()
        expected = classifier.pixels([path])
        with path.open("rb") as file:
            for given in (str(path), path.read_bytes(), image, io.BytesIO(path.read_bytes()), file):
                assert np.array_equal(classifier.pixels([given]), expected), (mode, type(given))


def test_a_pil_image_is_turned_as_its_file_is(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    draw("triangle", 1).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        assert np.array_equal(model().pixels([opened]), model().pixels([tmp_path / "turned.png"]))


def test_what_is_not_finite_is_no_prediction():
    broken = model()
    next(broken.net.parameters()).data.fill_(float("nan"))
    with pytest.raises(NumbersError, match=r"put out NaN or infinity for 2 of 2 images"):
        broken.predict([PIXELS_NHWC[0], PIXELS_NHWC[1]])


def test_an_embedding_is_what_the_head_is_given():
    classifier = model(name="conv 1x1x2, relu, globalpool, fc")
    with torch.no_grad():
        classifier.net.conv1.weight.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]).view(2, 3, 1, 1))
        classifier.net.conv1.bias.copy_(torch.tensor([0.0, 1.0]))
    gray = np.full((12, 12), 204, np.uint8)  # (204 / 255 - 0.4) / 0.3 = 4/3 after preprocessing
    embedding_D = classifier.embed(gray)
    assert embedding_D.dtype == np.float32
    assert embedding_D.tolist() == pytest.approx([4 / 3, 7 / 3])
    assert classifier.embed([gray, gray]).tolist() == [embedding_D.tolist()] * 2
    assert classifier.embed([]).shape == (0, 2)
    logits_NK, embeddings_ND = classifier.logits_and_embeddings(PIXELS_NHWC)
    assert np.array_equal(logits_NK, classifier.logits(PIXELS_NHWC))
    assert np.array_equal(embeddings_ND, classifier.embed(PIXELS_NHWC))
    assert not any(module._forward_hooks for module in classifier.net.modules())
