"""The whole of an explanation, asked of networks and of models with images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from striate.base.errors import SettingError, UnsupportedError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.interpret.attribution import METHODS, explain, explain_all, gradcam, heat
from striate.interpret.faithfulness import FaithfulnessTest
from striate.model import Model
from striate.nets.factory import build
from support.attribution_nets import hooks, ones_conv_then_mean
from support.shape_images import CLASSES, draw


def model() -> Model:
    net = build("conv 3x3x8, relu, conv 3x3x8, relu, globalpool, fc", (3, 24, 24), 3, seed=2).eval()
    preprocess = Preprocess(torch.full((3, 1, 1), 0.4), torch.full((3, 1, 1), 0.3))
    return Model(net, "own", {}, preprocess, InputSpec(24, 3, "squash", (0, 0, 0)), CLASSES)


def test_a_image_may_be_a_path_bytes_or_an_array(tmp_path: Path):
    image = draw("circle", 1)
    image.save(tmp_path / "one.png")
    path, made = tmp_path / "one.png", model()
    wanted = gradcam(made, np.asarray(image), target="square")
    assert wanted.shape == (24, 24)
    for same in (path, str(path), path.read_bytes(), made.images([path]), made.images([path])[0]):
        assert torch.equal(gradcam(made, same, target="square"), wanted)
    assert torch.equal(gradcam(made.net, made.images([path]), target=1), wanted)
    assert torch.equal(gradcam(made, torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1), target="square"), wanted)
    assert gradcam(made, [path], target="square").shape == (1, 24, 24)  # a list of one is a list
    both = gradcam(made, [path, path], target=["circle", "square"])
    assert both.shape == (2, 24, 24)
    assert torch.allclose(both[1], wanted)


def test_a_class_that_the_model_does_not_have_is_refused():
    with pytest.raises(SettingError, match=r"There is no class 'circel'; did you mean circle\?"):
        gradcam(model(), np.asarray(draw("circle", 1)), target="circel")


def test_an_explanation_holds_all_that_belongs_to_the_map():
    made, image = model(), np.asarray(draw("triangle", 3))
    result = explain(made, image, "gradcam", target="circle", test=FaithfulnessTest(steps=4))
    assert (result.method, result.targets, result.layer, result.completeness_error) == ("gradcam", (0,), "relu2", ())
    assert result.heat_NHW.shape == (1, 24, 24)
    assert torch.equal(result.values[0], gradcam(made, image, target="circle"))
    (said,) = result.faithfulness
    assert said.forward_passes == 5 * (2 * 20 + 5)
    assert -1 <= said.rank_correlation <= 1
    plain = explain(made, image, "gradcam", target="circle", test=None)
    assert plain.faithfulness == ()
    assert torch.equal(plain.heat_NHW, result.heat_NHW)


def test_integrated_gradients_say_how_far_they_are_from_complete():
    made, image = model(), np.asarray(draw("triangle", 3))
    coarse, fine = (METHODS["integrated_gradients"](made, image, steps=steps) for steps in (2, 200))
    images_NCHW = made.images([image])
    with torch.no_grad():
        logits_2K = made.net(torch.cat([images_NCHW, torch.zeros_like(images_NCHW)]))
    k = int(logits_2K[0].argmax())
    gained = float(logits_2K[0, k] - logits_2K[1, k])
    errors = [abs(float(one.sum()) - gained) for one in (coarse, fine)]
    assert errors[1] < 0.1 * errors[0] + 1e-4
    said = explain(made, image, "integrated_gradients", test=None)
    assert said.completeness_error[0] == pytest.approx(abs(float(said.values.sum()) - gained), abs=1e-4)


def test_all_methods_at_once_and_why_one_does_not_work():
    result = explain_all(model(), np.asarray(draw("circle", 2)), test=FaithfulnessTest(steps=2, shifts=9))
    assert list(result.explanations) == list(METHODS)
    assert result.refused == {}
    net = build("mlp", (1, 8, 8), 3, activation="tanh")
    result = explain_all(net, torch.rand(1, 8, 8), test=FaithfulnessTest(steps=2, shifts=9))
    assert list(result.explanations) == ["saliency", "integrated_gradients", "occlusion"]
    assert list(result.refused) == ["deconvnet", "guided", "gradcam"]
    assert "MLP has tanh" in result.refused["guided"]
    assert not any(hooks(net))


def test_the_heat_of_many_images_is_that_of_each():
    net = model().net
    images_NCHW = torch.randn(70, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    targets_N = torch.arange(70) % 3
    for method in METHODS:
        few = 5 if method == "occlusion" else 70
        together = heat(net, images_NCHW[:few], targets_N[:few], method)
        alone = torch.cat([heat(net, images_NCHW[n : n + 1], targets_N[n : n + 1], method) for n in (0, few - 1)])
        assert together.shape == (few, 24, 24)
        assert torch.allclose(together[[0, -1]], alone, atol=1e-4)
        assert together.min() >= 0
        assert together.amax((1, 2)).tolist() == pytest.approx([1.0] * few) or method == "gradcam"


def test_gradcam_is_brought_to_the_image_s_size():
    result = heat(ones_conv_then_mean(2), torch.arange(9.0).view(1, 1, 3, 3), torch.tensor([0]), layer="conv1")
    # 2 3 / 5 6 over 3 x 3 pixels: the corners as they are, the middle their mean, all over 6
    assert result[0, 0].tolist() == pytest.approx([2 / 6, 2.5 / 6, 3 / 6])
    assert result[0, 1].tolist() == pytest.approx([3.5 / 6, 4 / 6, 4.5 / 6])


def test_what_cannot_be_asked_is_refused():
    net, image_CHW = model().net, torch.rand(3, 24, 24)
    with pytest.raises(SettingError, match="There is no method 'grad-cam'; did you mean gradcam"):
        explain(net, image_CHW, "grad-cam")
    with pytest.raises(UnsupportedError, match="saliency looks at no layer; leave `layer` out, or take gradcam"):
        explain(net, image_CHW, "saliency", layer="conv1")
    numbers = build("mlp", (40, 1, 1), 3)
    with pytest.raises(UnsupportedError, match="this network takes 40 numbers without places"):
        explain(numbers, torch.rand(40, 1, 1), "saliency")
