"""Predictions in bfloat16: the same on every path, and refused where they cannot be."""

import asyncio
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base.errors import SettingError, UnsupportedError
from striate.batches.preprocess import Preprocess
from striate.batches.whitening import Whitening
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets import catalogue
from striate.nets.factory import build
from striate.nets.knn_head import KNNHead
from striate.training import device
from striate.workflows.serve.loaded_model import LoadedModel
from support.command_line import run
from support.models import tiny_model
from support.serving import running

PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), np.uint8)
CLASSES = ("a", "b", "c")
SAVED = r"save=true keeps what was chosen by predictions in fp32, as the model makes them; leave it out, or precision=bf16\."
OTHERS = r"expected precision as fp32 or bf16; got 'int8'\."
OF_A_FILE = r"precision=bf16 does not apply to m\.onnx: a file of `striate export` has the precision that it was exported in\."
STORED = r"precision=bf16 needs DATA, since stored predictions are in fp32; give it, or remove precision\."


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Saved as `m` in the current folder, beside the folder `p` of files 0.png to 5.png, in a folder for each class."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(device, "bf16_on_cpu", lambda: (True, "as the test has it"))
    model = tiny_model()
    model.save(Path("m"))
    for n, pixels in enumerate(PIXELS_NHWC):
        Path(f"p/{CLASSES[n % 3]}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(f"p/{CLASSES[n % 3]}/{n}.png")
    return model


def test_numbers_are_rounded_and_products_added_up_exactly():
    """16 significant bits of a product of two numbers of 8 fit into float32, so the sum of a few is exact."""
    net = build("pool 1, fc", (3, 1, 1), 2).eval()
    weights_KD = torch.tensor([[1.0, 1 + 2**-9, -2.0], [0.5, 3.0, 1 + 3 * 2**-9]])
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(weights_KD if parameter.ndim == 2 else torch.zeros(2))
    plain = Preprocess(torch.zeros(3, 1, 1), torch.full((3, 1, 1), 1 / 255))
    pixels_NHWC = np.array([[[[3, 255, 2]]]], np.uint8)
    both = [
        Model(net, "pool 1, fc", {}, plain, InputSpec(1, 3, "squash", (0, 0, 0)), ("a", "b"), precision=precision).logits(
            pixels_NHWC
        )[0]
        for precision in ("fp32", "bf16")
    ]
    # 1 + 2^-9 is rounded to 1, and 1 + 3 * 2^-9 to 1 + 2^-7; the results, 254 and 768.516, to multiples of 1 and of 4
    assert both[0].tolist() == pytest.approx([3 + 255 * (1 + 2**-9) - 4, 1.5 + 765 + 2 * (1 + 3 * 2**-9)], rel=1e-6)
    assert both[1].tolist() == [254, 768]


def test_every_path_has_the_same_answers(model: Model, capsys: pytest.CaptureFixture[str]):
    paths = sorted(Path("p").rglob("*.png"))
    loaded = striate.load("m", precision="bf16")
    expected = [prediction.probability for prediction in loaded.predict(paths)]
    plain = [prediction.probability for prediction in model.predict(paths)]
    assert expected == pytest.approx(plain, abs=0.01)
    assert expected != pytest.approx(plain, abs=1e-5)
    rows = striate.predict("m", paths, precision="bf16")
    assert [row.prediction.probability for row in rows if row.prediction] == expected
    lines = run(capsys, "predict", "m", "p", "--precision", "bf16", "--json").out.splitlines()
    assert [json.loads(line)["probability"] for line in lines] == pytest.approx(expected, abs=1e-6)  # rounded
    striate.predict_parts("m", "p", "rows.jsonl", 6, precision="bf16")
    lines = Path("rows.jsonl/part-00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["probability"] for line in lines] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(SettingError, match=r"were made with other options: precision 'bf16', now 'fp32'\. Give another folder"):
        striate.predict_parts("m", "p", "rows.jsonl", 6)
    plain_ND = model.embed(paths)
    for embeddings_ND in (
        loaded.embed(paths),
        np.array([row.embedding for row in striate.predict("m", paths, embed="e.npy", precision="bf16")]),
    ):
        assert embeddings_ND == pytest.approx(plain_ND, rel=0.01, abs=0.01)
        assert embeddings_ND != pytest.approx(plain_ND, rel=1e-5, abs=1e-5)
    loaded.save(Path("again"))
    assert striate.load("again").precision == "fp32"


def test_tables_of_before_precisions_were_noted_go_on():
    striate.predict_parts("m", "p", "rows.csv", 4)
    plan = Path("rows.csv/_striate/plan.json")
    noted = json.loads(plan.read_text())
    assert noted.pop("precision") == "fp32"
    plan.write_text(json.dumps(noted))
    assert striate.predict_parts("m", "p", "rows.csv", 4)["computed"] == 0


def test_a_server_predicts_in_it_also_after_it_was_loaded_anew():
    model = LoadedModel("m", "cpu", precision="bf16")
    model.load()
    expected = striate.predict("m", "p/a/0.png", precision="bf16").as_json()["probability"]
    plain = striate.predict("m", "p/a/0.png").as_json()["probability"]
    assert expected != pytest.approx(plain, abs=1e-4)
    with running(model, deadline=120) as server:
        for turn in range(2):
            assert server.client.get("/v1/model").json()["precision"] == "bf16"
            (row,) = server.client.post("/v1/predict", files={"file": Path("p/a/0.png").read_bytes()}).json()["predictions"]
            assert row["probability"] == pytest.approx(expected, abs=1e-5)
            if turn == 0:
                asyncio.run_coroutine_threadsafe(server.server.state.reload(), server.loop).result(60)


def test_a_score_says_in_which_it_was_measured(capsys: pytest.CaptureFixture[str]):
    plain, rounded = striate.evaluate("m", "p"), striate.evaluate("m", "p", precision="bf16")
    assert (plain["computed_in"], rounded["computed_in"]) == ("fp32", "bf16")
    assert plain["calibration_error"] != rounded["calibration_error"]
    assert (
        run(capsys, "evaluate", "m", "p", "--precision", "bf16", "--json").json["calibration_error"]
        == rounded["calibration_error"]
    )
    assert run(capsys, "evaluate", "m", "p", "--precision", "bf16").out.startswith("predictions were computed in bf16\n")
    assert "computed in" not in run(capsys, "evaluate", "m", "p").out


def test_whitening_and_what_looks_inside_stay_in_float32():
    generator = torch.Generator().manual_seed(0)
    components_KD = torch.linalg.qr(torch.randn(12, 12, generator=generator))[0]
    whitening = Whitening("zca", components_KD, torch.rand(12, generator=generator), 1e-5)
    preprocess = Preprocess(torch.full((3, 1, 1), 0.4), torch.ones(3, 1, 1), 1e-5, whitening)
    net = build("conv 1x1x4, relu, fc", (3, 2, 2), 3, seed=1).eval()
    plain = Model(net, "conv 1x1x4, relu, fc", {}, preprocess, InputSpec(2, 3, "squash", (0, 0, 0)), CLASSES)
    pixels_NHWC = PIXELS_NHWC[:, :2, :2]
    before_NCHW, before_NK, given = plain.images(pixels_NHWC), plain.logits(pixels_NHWC), list[torch.Tensor]()
    with net.register_forward_pre_hook(lambda _net, inputs: given.append(inputs[0])):
        rounded_NK = replace(plain, precision="bf16").logits(pixels_NHWC)
    assert torch.equal(torch.cat(given), before_NCHW)
    assert rounded_NK != pytest.approx(before_NK, rel=1e-5, abs=1e-5)
    assert torch.equal(plain.images(pixels_NHWC), before_NCHW)
    assert np.array_equal(plain.logits(pixels_NHWC), before_NK)


def test_nearest_neighbors_are_found_in_float32():
    """Distances of vectors that differ by a thousandth of their lengths: of 8 bits nothing is left."""
    bank_MD = torch.tensor([[100.0, 0.0], [100.1, 0.0], [100.2, 0.0]])
    head = KNNHead(2, 3, 3, 1, unit_features=False)
    head.load_state_dict({**head.state_dict(), "bank_MD": bank_MD, "labels_M": torch.arange(3)})
    with torch.autocast("cpu", torch.bfloat16):
        assert head(bank_MD).argmax(dim=1).tolist() == [0, 1, 2]


def test_what_learns_without_gradients_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "gradient_free", lambda _name: catalogue.HISTORICAL[0])
    with pytest.raises(SettingError, match=r"^precision=bf16 does not apply to conv 3x3x4, .*: its sums nearly cancel\."):
        striate.load("m", precision="bf16")


def test_what_was_chosen_in_fp32_is_not_promised_in_it(model: Model, caplog: pytest.LogCaptureFixture):
    replace(model, confidence=replace(model.confidence, threshold=0.4, max_error=0.1, level=0.95, images="i")).save(Path("m"))
    served = LoadedModel("m", "cpu", precision="bf16")
    with caplog.at_level(logging.WARNING, "striate"):
        striate.predict("m", "p")
        striate.load("m")
        assert not caplog.messages
        striate.predict("m", "p", precision="bf16")
        striate.load("m", precision="bf16")
        served.load()
        served.close()
    sentence = "Thresholds, sets and the flag of unknown images were chosen in fp32; in bf16 nothing is promised of them."
    slow = [message for message in caplog.messages if "may take longer" in message]  # in the process that serves
    assert [message for message in caplog.messages if message not in slow] == [sentence] * 3


def test_the_command_does_not_advise_to_save_what_is_refused(capsys: pytest.CaptureFixture[str]):
    assert "--save` keeps this" in run(capsys, "evaluate", "m", "p", "--coverage", "0.1").out
    assert "--save` keeps this" not in run(capsys, "evaluate", "m", "p", "--coverage", "0.1", "--precision", "bf16").out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: striate.load("m", precision="int8"), OTHERS),
        (lambda: striate.predict("m", "p", precision="int8"), OTHERS),
        (lambda: striate.predict_parts("m", "p", "rows.csv", precision="int8"), OTHERS),
        (lambda: striate.evaluate("m", "p", precision="int8"), OTHERS),
        (lambda: striate.serve("m", precision="int8"), OTHERS),
        (lambda: striate.load("m.onnx", precision="bf16"), OF_A_FILE),
        (lambda: striate.predict("m.onnx", "p", precision="bf16"), OF_A_FILE),
        (lambda: striate.evaluate("m.onnx", "p", precision="bf16"), OF_A_FILE),
        (lambda: striate.serve("m.onnx", precision="bf16"), OF_A_FILE),
        (lambda: striate.evaluate("m", precision="bf16"), STORED),
        (lambda: striate.evaluate("m", "p", precision="bf16", coverage=0.5, save=True), SAVED),
        (lambda: replace(tiny_model(), precision="int8"), OTHERS),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call: Any, message: str):
    with pytest.raises(SettingError, match=message):
        call()


def test_a_device_without_it_is_refused():
    with pytest.raises(
        UnsupportedError, match=r"^mps has no bf16, in which predictions are to be computed; use precision=fp32\.$"
    ):
        device.check_bf16(torch.device("mps"))


def test_a_processor_that_is_slow_in_it_is_warned_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "striate"):
        striate.load("m", precision="bf16")
        assert not caplog.messages
        monkeypatch.setattr(device, "bf16_on_cpu", lambda: (False, "it is old"))
        striate.load("m")
        assert not caplog.messages
        striate.load("m", precision="bf16")
    assert caplog.messages == ["Predictions in bf16 may take longer here than in fp32: it is old."]
