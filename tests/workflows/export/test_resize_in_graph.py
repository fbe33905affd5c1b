"""Resizing inside the graph gives the bytes that the decoder gives, whatever the size of the image."""

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import striate
from striate.base.errors import ArtifactError, NumbersError
from striate.cli.main import main
from striate.data import decode
from striate.data.decode import InputSpec
from striate.workflows.export import proof, resize_in_graph
from support.models import tiny_model

SIZES = ((1, 1), (9, 9), (7, 5), (40, 20), (20, 40), (90, 9), (9, 90), (33, 31), (11, 10), (60, 80))  # H, W
SPECS = [
    InputSpec(9, channels, mode, (9, 80, 200), share, None, interpolation)
    for (mode, share), channels, interpolation in product(
        (("squash", 1.0), ("pad", 1.0), ("crop", 1.0), ("crop", 0.875)), (1, 3), ("bilinear", "bicubic")
    )
]


@pytest.mark.parametrize(
    "spec", SPECS, ids=lambda spec: f"{spec.resize_mode}-{spec.share}-{spec.channels}-{spec.interpolation}"
)
def test_pixels_are_those_of_the_decoder(spec: InputSpec):
    draw = np.random.default_rng(0)
    for height, width in SIZES:
        image_HWC = draw.integers(0, 256, (height, width, 3), np.uint8)
        ours_HWC = resize_in_graph.resized(torch.from_numpy(image_HWC), spec).numpy()
        np.testing.assert_array_equal(ours_HWC, decode.square(image_HWC, spec))


def test_weights_are_those_of_pillow_by_hand():
    spec = InputSpec(2, 3, "squash")
    window = resize_in_graph._window(torch.tensor(4.0).double(), torch.tensor(4.0).double(), spec)
    weights_SX = resize_in_graph._weights(torch.arange(4).double(), window, spec)
    # four pixels become two: the triangle around 1 is 4 wide and has 3/4, 3/4, 1/4 of its height at 0.5, 1.5, 2.5
    unit = 2**22 / 7
    assert weights_SX.tolist() == [
        [round(3 * unit), round(3 * unit), round(unit), 0],
        [0, round(unit), round(3 * unit), round(3 * unit)],
    ]


def _answers(level: int, logit: float) -> bytes:
    """A file that says this of any image: one pixel, one logit."""
    values = {"pixels": np.full((1, 1, 1, 3), level, np.uint8), "logits": np.full((1, 1), logit, np.float32)}
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W", 3])
    nodes = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value)) for name, value in values.items()]
    outputs = [
        helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 1, 1, 3]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1]),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [given], outputs), opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    )
    return bytes(model.SerializeToString())


def test_other_pixels_or_answers_are_refused():
    images = proof.Reference(
        np.full((1, 1, 1, 3), 7, np.uint8), np.zeros(1, np.int64), np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)
    )
    gray_HWC = np.zeros((4, 5, 1), np.uint8)
    proved = resize_in_graph.prove(tiny_model(), _answers(7, 1.00005), [gray_HWC], images)
    assert proved == {"n": 1, "max_abs_logit": pytest.approx(5e-5, rel=0.01)}
    with pytest.raises(
        NumbersError, match=r"differs by a pixel by 2 levels of 255, on a held-out image of 4 x 5 pixels\. No file"
    ):
        resize_in_graph.prove(tiny_model(), _answers(9, 1), [gray_HWC], images)
    with pytest.raises(NumbersError, match=r"differs by a logit by 0\.001, more than 0\.0001.*without any_size"):
        resize_in_graph.prove(tiny_model(), _answers(7, 1.001), [gray_HWC], images)


@pytest.mark.soak
def test_a_run_is_exported_for_images_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for number in range(90):
        height, width = draw.integers(5, 90, 2)
        pixels_HWC = draw.integers(0, 150, (height, width, 3), np.uint8)
        pixels_HWC[..., number % 3] += 100
        path = Path("images") / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_HWC).save(path)
    striate.train("images", net="conv 3x3x4, bn, relu, pool 2, fc", epochs=1, name="a")
    assert main(["export", "a", "--any-size"]) == 0
    assert "of these images at their own size: the same pixels; largest difference of a logit" in capsys.readouterr().out
    path = Path("striate-export-a/model-any-size.onnx")
    onnx.checker.check_model(onnx.load(path))
    model = striate.load("a")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for _ in range(300):
        height, width = np.exp(draw.uniform(0, 5.5, 2)).astype(int)
        image_HWC = draw.integers(0, 256, (height, width, 3), np.uint8)
        probabilities_1K, pixels_1SSC = session.run(["probabilities", "pixels"], {"image": image_HWC})
        np.testing.assert_array_equal(pixels_1SSC[0], decode.square(image_HWC, model.input_spec))
        (answer,) = model.classify(pixels_1SSC)
        assert answer.probability == pytest.approx(probabilities_1K.max(), abs=1e-5)
    with pytest.raises(
        ArtifactError, match=r"takes images of any size, for other programs\. Give model\.onnx, which lies beside"
    ):
        striate.load(path)


def test_where_pillow_begins_with_the_columns_so_does_the_graph(monkeypatch: pytest.MonkeyPatch):
    levels_HWC = np.random.default_rng(0).integers(0, 256, (60, 9, 3), np.uint8)  # much more is taken off its height
    monkeypatch.setattr(resize_in_graph, "vertical_first", lambda: False)
    ours_HWC = resize_in_graph.resized(torch.from_numpy(levels_HWC), InputSpec(8, 3, "squash")).numpy()
    columns_first = Image.fromarray(levels_HWC).resize((8, 60), Image.Resampling.BILINEAR)
    assert np.array_equal(ours_HWC, np.asarray(columns_first.resize((8, 8), Image.Resampling.BILINEAR)))
