from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as published

from striate.base.config import Augment
from striate.batches import augment, augment_policies
from striate.batches.lookup_tables import UNTOUCHED

CPU = torch.device("cpu")
IDS = np.arange(30_000, dtype=np.uint64)
RNG = np.random.default_rng(0)
THEIR_NAMES = {
    "shear x": "ShearX", "shear y": "ShearY", "translate x": "TranslateX", "translate y": "TranslateY", "rotate": "Rotate",
    "brightness": "Brightness", "saturation": "Color", "contrast": "Contrast", "sharpness": "Sharpness",
    "posterize": "Posterize", "solarize": "Solarize", "autocontrast": "AutoContrast", "equalize": "Equalize",
    "identity": "Identity",
}  # fmt: skip


def alone(name: str, strength: float, n: int = 1) -> augment_policies.Drawn:
    """A turn in which every image drew this change."""
    place = next(place for place, op in enumerate(augment_policies.OPS) if op.name == name)
    return augment_policies.Drawn(np.full(n, place), np.full(n, strength))


def changed(pixels_NHWC: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, *turns: augment_policies.Drawn) -> torch.Tensor:
    """The images, with the policy's draws replaced by these."""
    monkeypatch.setattr(augment_policies, "draw", lambda *_: turns)
    actual = augment.fit(Augment(policy="randaugment"), pixels_NHWC, np.arange(len(pixels_NHWC)), 0)
    assert actual is not None
    return actual.images(pixels_NHWC, np.arange(len(pixels_NHWC), dtype=np.uint64), 0, CPU)


@pytest.mark.parametrize("magnitude", [0, 9, 10, 30])
def test_strengths_of_randaugment_are_torchvisions(magnitude: int):
    (turn,) = augment_policies.draw(Augment(policy="randaugment", policy_ops=1, policy_magnitude=magnitude), IDS, 3, 331, 0, 0)
    check_strengths(turn, v2.RandAugment._AUGMENTATION_SPACE, lambda bins: [float(bins[magnitude])])


def test_strengths_of_trivialaugment_are_torchvisions():
    (turn,) = augment_policies.draw(Augment(policy="trivialaugment"), IDS, 3, 331, 0, 0)
    check_strengths(turn, v2.TrivialAugmentWide._AUGMENTATION_SPACE, lambda bins: bins.tolist())


def check_strengths(turn: augment_policies.Drawn, space: dict, chosen: Callable[[torch.Tensor], list[float]]) -> None:
    assert {op.name for op in augment_policies.OPS} == set(THEIR_NAMES)
    assert set(space) == set(THEIR_NAMES.values())
    (step,) = augment_policies.steps((turn,))
    for op in augment_policies.OPS:
        bins, signed = space[THEIR_NAMES[op.name]]
        assert signed == op.signed
        drew = turn.is_drawn(op.name)
        assert drew.mean() == pytest.approx(1 / 14, abs=0.015)
        theirs = bins(31, 331, 331)
        if theirs is None:
            assert not turn.strength_N[drew].any()
            continue
        if op.name == "posterize":
            own = 8 - step.posterize_N[drew]
        elif op.name == "solarize":
            own, theirs = step.solarize_N[drew], torch.ceil((255 * theirs.double()).round(decimals=4))
        else:
            own = turn.strength_N[drew] * (331 if op.name.startswith("translate") else 1)
        expected = [level * sign for level in chosen(theirs) for sign in ((1, -1) if signed else (1,))]
        assert np.unique(np.round(own, 3) + 0.0) == pytest.approx(np.unique(np.round(expected, 3) + 0.0))
    assert np.all(step.solarize_N[~turn.is_drawn("solarize")] == UNTOUCHED)
    assert not step.posterize_N[~turn.is_drawn("posterize")].any()


def test_a_small_image_moves_by_half_a_side_at_most():
    (turn,) = augment_policies.draw(Augment(policy="trivialaugment"), IDS, 1, 28, 0, 0)
    (matrices,) = augment_policies.places((turn,), 28)
    pixels = matrices[:, :2, 2] * 14
    assert np.abs(pixels).max() == pytest.approx(14)
    assert np.allclose(pixels, np.rint(pixels))


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_images_have_every_change_but_saturation(channels: int):
    for policy in ("randaugment", "trivialaugment"):
        turns = augment_policies.draw(Augment(policy=policy), IDS, channels, 28, 0, 0)
        assert len(turns) == (2 if policy == "randaugment" else 1)
        drew = {op.name for op in augment_policies.OPS if turns[-1].is_drawn(op.name).any()}
        assert drew == {op.name for op in augment_policies.OPS} - ({"saturation"} if channels == 1 else set())


def test_the_turns_of_randaugment_draw_apart_and_anew_in_each_epoch():
    wanted = Augment(policy="randaugment", policy_ops=3)
    turns, later = (augment_policies.draw(wanted, IDS, 3, 32, 0, epoch) for epoch in (0, 1))
    assert len(turns) == 3
    for first, second in ((turns[0], turns[1]), (turns[1], turns[2]), (turns[0], later[0])):
        assert (first.op_N == second.op_N).mean() == pytest.approx(1 / 14, abs=0.015)
    assert np.array_equal(augment_policies.draw(wanted, IDS[7:9], 3, 32, 0, 0)[2].op_N, turns[2].op_N[7:9])


@pytest.mark.parametrize(
    ("name", "strength", "theirs", "within"),
    [
        ("identity", 0.0, lambda image: image, 0),
        ("autocontrast", 0.0, published.autocontrast, 1),
        ("equalize", 0.0, published.equalize, 0),
        ("posterize", 3.0, lambda image: published.posterize(image, 5), 0),
        ("solarize", 0.3, lambda image: published.solarize(image, 178.5), 0),
        ("brightness", 0.27, lambda image: published.adjust_brightness(image, 1.27), 1),
        ("contrast", -0.27, lambda image: published.adjust_contrast(image, 0.73), 2),
        ("saturation", -0.27, lambda image: published.adjust_saturation(image, 0.73), 2),
        ("sharpness", 0.9, lambda image: published.adjust_sharpness(image, 1.9), 2),
        ("sharpness", -0.9, lambda image: published.adjust_sharpness(image, 0.1), 2),
        ("translate x", 0.25, lambda image: published.affine(image, 0.0, [4, 0], 1.0, [0.0, 0.0]), 0),
        ("translate y", -0.125, lambda image: published.affine(image, 0.0, [0, -2], 1.0, [0.0, 0.0]), 0),
        ("rotate", 90.0, lambda image: published.rotate(image, -90.0), 0),
    ],
)
def test_each_change_is_torchvisions_up_to_rounding(
    name: str, strength: float, theirs: Callable[..., torch.Tensor], within: int, monkeypatch: pytest.MonkeyPatch
):
    pixels = RNG.integers(20, 230, (4, 16, 16, 3), np.uint8)
    own = changed(pixels, monkeypatch, alone(name, strength, 4)) * 255
    expected = torch.stack([theirs(image) for image in torch.from_numpy(pixels).permute(0, 3, 1, 2)]).float()
    inside = (..., slice(3, 12), slice(5, 16)) if name.startswith("translate") else ...  # what lies outside is another
    assert float((own - expected)[inside].abs().max()) <= within + 1e-3


@pytest.mark.parametrize(("name", "place"), [("shear x", (0, 1)), ("shear y", (1, 0))])
def test_a_shear_moves_by_its_share_of_the_distance_to_the_middle(name: str, place: tuple[int, int]):
    (result,) = augment_policies.places((alone(name, 0.3),), 32)
    expected = np.eye(3)
    expected[place] = -0.3
    assert result[0] == pytest.approx(expected)


def test_sharpening_worked_out_by_hand():
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 1] = 130.0
    assert augment_policies.sharpen(image, np.array([0.0]))[0, 0].tolist() == [
        [0, 0, 0],
        [0, pytest.approx(50.0), 0],
        [0, 0, 0],
    ]
    assert float(augment_policies.sharpen(image, np.array([1.5]))[0, 0, 1, 1]) == pytest.approx(170.0)
    assert float(augment_policies.sharpen(image, np.array([4.0]))[0, 0, 1, 1]) == 255.0
    assert torch.equal(augment_policies.sharpen(image[..., :2], np.array([0.0])), image[..., :2])


def test_changes_of_one_kind_keep_their_order_and_kinds_have_one(monkeypatch: pytest.MonkeyPatch):
    pixels = RNG.integers(0, 256, (1, 16, 16, 3), np.uint8)
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2)[0]
    twice = changed(pixels, monkeypatch, alone("solarize", 0.5), alone("posterize", 6.0))
    assert torch.equal(twice[0] * 255, published.posterize(published.solarize(image, 127.5), 2).float())
    other = changed(pixels, monkeypatch, alone("rotate", 90.0), alone("equalize", 0.0))
    assert torch.allclose(other[0] * 255, published.rotate(published.equalize(image), -90.0).float(), atol=1e-3)


def test_contrast_turns_around_the_mean_of_what_the_tables_have_made(monkeypatch: pytest.MonkeyPatch):
    pixels = np.full((1, 8, 8, 3), 240, np.uint8)
    actual = changed(pixels, monkeypatch, alone("solarize", 0.5), alone("contrast", -0.9))
    assert torch.allclose(actual * 255, torch.full_like(actual, 15.0))  # a plain image has no contrast to lose


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"policy_ops": 3}, "policy_ops does not apply without policy='randaugment'; remove it"),
        ({"policy": "trivialaugment", "policy_ops": 3}, "policy_ops does not apply with policy='trivialaugment'; remove it"),
        ({"policy": "trivialaugment", "policy_magnitude": 0}, "policy_magnitude does not apply with policy='trivialaugment'"),
        ({"policy": "autoaugment"}, "Input should be 'randaugment' or 'trivialaugment'"),
        ({"policy": "randaugment", "policy_magnitude": 31}, "Input should be less than or equal to 30"),
    ],
)
def test_settings_of_a_policy_that_would_do_nothing_are_refused(settings: dict[str, object], refusal: str):
    with pytest.raises(ValidationError) as refused:
        Augment.model_validate(settings)
    assert refusal in str(refused.value)
