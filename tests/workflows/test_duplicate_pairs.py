"""Near-duplicates side by side: which pairs are drawn in which group, and the file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base.errors import SettingError
from striate.plots import image_groups
from support.command_line import run


def texture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    layers = [Image.fromarray(rng.integers(0, 256, (spots, spots, 3)).astype(np.uint8)) for spots in (6, 14)]
    return Image.blend(*(layer.resize((48, 48), Image.Resampling.BICUBIC) for layer in layers), 0.4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 textures in train/ and test/; a copy across, one of two classes, one within a class, and a pair of equal pixels."""
    root = tmp_path_factory.mktemp("photos")
    images = {f"{'train' if n < 12 else 'test'}/{'ab'[n % 2]}/{n:02}.png": texture(n) for n in range(20)}
    images["test/a/across.png"] = texture(0).resize((40, 40))
    images["train/b/relabeled.png"] = texture(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    images["train/a/again.png"] = texture(4).resize((64, 64))
    images["train/b/equal.png"] = texture(6)
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / name)
    return root


def test_pairs_are_drawn_in_groups_the_most_serious_first(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn: list[image_groups.Group] = []
    whole = image_groups.draw

    def keep(title: str, note: str, groups: list[image_groups.Group], *more: object, **options: float) -> None:
        drawn.extend(groups)
        whole(title, note, groups, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(image_groups, "draw", keep)
    survey = striate.survey(photos, pairs=tmp_path / "pairs.png")
    assert survey.drawn == str(tmp_path / "pairs.png")
    assert [group.title for group in drawn] == [
        "On two sides of the split: 1 pair",
        "Of two classes: 2 pairs",
        "Others: 1 pair",
    ]
    assert [caption for _, caption in drawn[0].images] == ["test/a/across.png (test)\ntrain/a/00.png (training)"]
    image_HWC, _ = drawn[0].images[0]
    assert image_HWC.shape == (160, 160 + 6 + 160, 3)
    with Image.open(tmp_path / "pairs.png") as image:
        assert min(image.size) > 300


def test_the_command_names_the_file_and_refuses_what_does_not_go_together(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    printed = run(capsys, "data", str(photos), "--pairs", str(tmp_path / "pairs.svg"))
    assert printed.out.splitlines()[-1] == f"drawn: {tmp_path / 'pairs.svg'}"
    refused = run(capsys, "data", str(photos), "--pairs", "p.png", "--preview", "augment")
    assert "--pairs does not apply with --preview, which surveys nothing" in refused.err
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf; got pairs\.gif"):
        striate.survey(photos, pairs="pairs.gif")


def test_without_pairs_nothing_is_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert striate.survey("digits", pairs=tmp_path / "pairs.png").drawn is None
    assert "There are no near-duplicates, so nothing is drawn." in caplog.messages
    assert not (tmp_path / "pairs.png").exists()
