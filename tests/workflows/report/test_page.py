import base64
import io

import numpy as np
import pytest
from PIL import Image

from striate.workflows.report.page import data_uri, kind_of, render
from striate.workflows.report.plots import (
    PlottedImages,
    classes,
    confusion,
    curves,
    gradients,
    plane,
    reliability,
    risk_coverage,
)
from support.pages import check

SCORE = {"accuracy": 0.75, "low": 0.5, "high": 0.9, "n": 20}
PER_CLASS = {"precision": 0.7, "recall": 0.75, "f1": 0.72, "support": 10}
EPOCHS = [{"epoch": n, "train_loss": 1 / n, "loss": 1.1 / n, "accuracy": 1 - 0.5 / n} for n in (1, 2, 3)]
BINS = [
    {"low": 0.5, "high": 0.6, "images": 20, "confidence": 0.57, "accuracy": {"value": 0.6, "low": 0.4, "high": 0.8, "n": 20}}
]


def facts(**own):
    account = {
        "found": 12, "used": 10, "quarantined": [{"path": "<b>&.png", "reason": "no image"}], "leaks": [], "duplicates": [],
        "ignored": [{"path": "x", "pattern": "*.txt"}], "classes": {"<a>": {"train": 5, "val": 1, "test": 1}},
        "split": {"train": 5, "val": 1, "test": 1}, "sizes": {"height": [1, 2, 3], "width": [4, 5, 6]}, "gray": 0.5,
        "input_spec": {"size_px": 16, "channels": 1, "resize_mode": "crop"}, "notes": ["use `striate data`"],
    }  # fmt: skip
    return {
        "run": "first & <last>", "striate": "9", "created": "now", "state": "done", "progress": "", "finished": "today",
        "net": "mlp", "data": "photos", "parameters": 1234, "account": account, "curves": [], "best_epoch": None,
        "training": "", "health": [], "val": None, "test": None, "folds": [], "strategies": None, "sentence": None,
        "starting_weights": None, "recommended": None, "weights_sha256": None, "score": None, "reliability": [],
        "origin": None, "pairs": [], "train": None, "label_scores": None,
        "calibration_by_chance": None, "confused": [], "mistakes": [], "uncertain": [], "mistakes_note": "", "plane": None,
        "filters": [], "filters_note": "", "weights": {}, "settings": "seed = 0", "environment": {"torch": "2"},
        "repeat": ["striate train photos"], "notes": [],
        "temperature": 1.0, "risk_coverage": None, "abstention": None, "sets": None,
        "unknown": None,
        "trust": {"level": "note", "sentence": "Fine.", "findings": [{"level": "note", "sentence": "One `thing`."}]},
        **own,
    }  # fmt: skip


def scored():
    return facts(
        test=SCORE, val=SCORE, folds=[SCORE], calibration_by_chance=0.1,
        confused=[{"true": "a", "predicted": "b", "images": 3}],
        score={**SCORE, "part": "test", "what": "test images", "majority": 0.5, "top5": None, "macro_f1": 0.7, "log_loss": 0.5,
               "macro_f1_low": 0.5, "macro_f1_high": 0.8, "balanced_accuracy": 0.7, "balanced_accuracy_low": 0.6,
               "balanced_accuracy_high": 0.8,
               "calibration_error": 0.05, "per_class": {"a": PER_CLASS, "b": PER_CLASS}, "confusion": [[7, 3], [2, 8]]},
    )  # fmt: skip


def test_what_the_user_named_is_text_and_never_markup():
    tree = check(render(facts(), {}))
    assert tree.find(".//h1").text == "first & <last>"
    assert [cell.text for cell in tree.iter("td") if cell.get("class") == "file"] == ["<b>&.png"]
    assert [code.text for code in tree.iter("code")] == ["thing", "striate data"]


def test_a_run_that_still_trains_renews_its_page_and_one_that_has_ended_does_not():
    assert 'http-equiv="refresh"' in render(facts(state="training", progress="2 of 9 epochs done"), {})
    assert "Not finished: 2 of 9 epochs done." in render(facts(state="training", progress="2 of 9 epochs done"), {})
    assert "refresh" not in render(facts(), {})


def test_the_score_stands_first_with_its_interval_and_the_largest_class():
    text = render(scored(), {"classes": "", "reliability": ""})
    assert text.index("75.00&nbsp;%") < text.index("What it was trained on")
    assert "left: 50.00%; width: 40.00%" in text
    assert "mark: majority-class baseline, 50.00&nbsp;%" in text
    assert "<span>0&nbsp;%</span>" in text
    assert "on a scale from 0&nbsp;% to 100&nbsp;%;" in text
    check(text)


def test_near_duplicates_stand_side_by_side():
    rows = [{"paths": ["train/<a>.png", "test/a.png"], "parts": ["training", "test"]}]
    page = facts(pairs=rows)
    page["account"]["near_duplicates"] = [["train/<a>.png", "test/a.png"], ["x", "y"]]
    tree = check(render(page, {"pairs": [{"images": ["data:,1", "data:,2"], "kind": ""}]}))
    assert [image.get("alt") for image in tree.iter("img")] == ["train/<a>.png", "test/a.png"]
    assert any(head.text == "2 pairs of near-duplicates, of which 1 are shown" for head in tree.iter("h3"))
    assert [text.text for text in tree.iter("p") if (text.text or "").endswith("(test)")] == ["test/a.png (test)"]


def test_where_the_score_comes_from_stands_below_it():
    small = {"side_px": 16, "nearest_pixels": SCORE, "linear_pixels": {**SCORE, "accuracy": 0.625}, "trained_on": 9}
    overlap = {"train": 1, "val": 0, "near": 2, "seen": SCORE, "unseen": {**SCORE, "n": 17}}
    shortcut = {"fact": "the size", "accuracy": 0.9, "chance": 0.5, "sentence": None}
    origin = {"trained_on": overlap, "baselines": small, "shortcuts": [shortcut], "test_looks": {"looks": 4, "runs": 2}}
    text = render({**scored(), "origin": origin}, {"classes": "", "reliability": ""}).replace("&nbsp;", " ")
    check(text)
    assert text.index("How good it is") < text.index("Where the score comes from")
    assert "1 with equal pixels, 2 nearly equal, of 20; without them 75.00 % (50.00 % to 90.00 %, 17 images)" in text
    assert "4, by 2 runs; choosing among runs by them makes the best score too high" in text
    assert "<dt>linear model on these pixels</dt><dd>62.50 % (" in text
    assert "<dt>the size alone</dt><dd>90.00 % of the images, each class weighing the same (50.00 % by chance)" in text
    none = {**origin, "trained_on": None, "baselines": None, "shortcuts": []}
    text = render({**scored(), "origin": none}, {"classes": "", "reliability": ""})
    assert "not counted, as each is tested by a model that has not seen it" in text
    assert "time predicts the class" in text


def test_the_threshold_and_the_sets_stand_beside_the_score():
    rule = {
        "max_error": 0.02,
        "confidence": 0.95,
        "threshold": 0.75,
        "coverage": 0.5,
        "errors": 3,
        "n": 1200,
        "chosen_here": True,
    }
    sets = {"coverage": 0.9, "measured": 0.92, "size": 1.25, "single": 0.75, "chosen_here": True}
    row = {"max_error": 0.01, "coverage": 0.4, "threshold": 0.8}
    curve = {"area": 0.03, "at_error": [row, {**row, "max_error": 0.05, "coverage": 0.7}], "points": []}
    page = {**scored(), "risk_coverage": curve, "abstention": rule, "sets": sets}
    text = render(page, {"classes": "", "reliability": ""}).replace("&nbsp;", " ")
    assert (
        "0.7500, for an error of at most 2 % with 95 % confidence; 50.00 % of 1,200 images are answered, 3 wrong (these images "
        "chose it)"
    ) in text
    assert "92.00 % have the true class, with 1.25 classes on average and one alone in 75.00 % (each half of the images" in text
    assert "0.0300; answered with the least probable predictions left out: 40.00 % at an error of 1 %, 70.00 % at an" in text
    silent = render({**page, "abstention": {**rule, "threshold": None, "coverage": 0.0}}, {"classes": "", "reliability": ""})
    assert "<dd>none, for an error of at most" in silent


def test_the_figure_marks_the_threshold():
    rule = {"max_error": 0.05, "coverage": 0.5, "errors": 1, "n": 100}
    points = [{"coverage": 0.5, "error": 0.02}, {"coverage": 1.0, "error": 0.1}]
    drawn = risk_coverage(points, rule)
    assert "threshold of the model" in drawn
    assert "largest error that it keeps to" in drawn
    assert "threshold of the model" not in risk_coverage(points, {**rule, "coverage": 0.0})
    assert "threshold of the model" not in risk_coverage(points)


def test_every_plot_fits_into_the_page_with_a_title_axes_and_an_alternative():
    labels = np.array([0, 1] * 5)
    faint, wrong = np.arange(10) < 6, np.arange(10) == 8
    health = [{"epoch": e, "layers": [{"name": "a", "gradient": 1.0}, {"name": "b", "gradient": None}]} for e in (1, 2)]
    rows = [{"name": "$a$ & <b>", "value": 0.5, "low": 0.3, "high": 0.7, "n": 10}]
    points = np.random.default_rng(0).normal(size=(10, 2))
    drawn = {
        "curves": curves(EPOCHS, 2), "gradients": gradients(health), "classes": classes(rows, 0.6),
        "confusion": confusion(np.array([[7, 3], [2, 8]]), ["a", "b"]), "reliability": reliability(BINS),
        "risk_coverage": risk_coverage([{"coverage": 0.5, "error": 0.0}, {"coverage": 1.0, "error": 0.1}]),
        "plane": [plane(points, PlottedImages(labels, ["a", "b"], wrong, faint), "Points", ("x", "y"), "pca")],
    }  # fmt: skip
    tree = check(render({**scored(), "curves": EPOCHS, "plane": {"sentence": "Points."}}, drawn))
    svg = "{http://www.w3.org/2000/svg}"
    images = list(tree.iter(f"{svg}svg"))
    assert len(images) == 8
    for image in images:
        words = "".join(text.text or "" for text in image.iter(f"{svg}text"))
        assert words
        assert image.find(f"{svg}title").text
    text = "".join(str(part) for part in drawn["curves"])
    assert "currentColor" in text
    assert "var(--c0072b2)" in text
    assert "epoch" in text
    assert "$a$ &amp; &lt;b&gt; (10)" in drawn["classes"]


def test_what_cannot_be_drawn_is_left_out():
    assert confusion(np.zeros((61, 61), np.int64), [str(k) for k in range(61)]) is None
    assert gradients([]) is None
    assert gradients([{"epoch": 1, "layers": [{"name": "a", "gradient": None}, {"name": "b", "gradient": None}]}]) is None


def test_strategies_and_filters_have_their_tables():
    filters = [{"name": "conv1", "filters": 8, "noise_ratio": None, "advice": "conv1: 50% dead: x.", "healthy": 4, "dead": 4,
                "blank": 0, "duplicate": 0, "nearly_dead": 0, "noisy": 0}]  # fmt: skip
    strategies = [{"name": "adapt", "val": SCORE, "test": None, "p_value": None, "seconds": 1.0, "parameters": 10}]
    text = render(facts(filters=filters, strategies=strategies, sentence="Take adapt.", recommended="adapt", start="s"), {})
    tree = check(text)
    assert "adapt (kept)" in text
    assert "conv1: 50% dead: x." in text
    assert {section.get("id") for section in tree.iter("section")} >= {"data", "strategies", "filters", "repeat"}


def test_mistakes_show_the_image_its_heat_and_its_neighbors():
    row = {
        "path": "a.png", "true": "cat", "predicted": "dog", "probability": 0.9, "true_probability": 0.1,
        "heat": {"faithful": False, "sentence": "Grad-CAM is not faithful here."},
        "neighbors": [{"path": "b.png", "class": "cat", "cosine_similarity": 0.98}],
        "vote": {"against": False, "sentence": "All."},
    }  # fmt: skip
    shown = {
        "image": "data:image/png;base64,AA==",
        "heat": "data:image/png;base64,AB==",
        "kind": "",
        "neighbors": ["data:,"],
    }
    tree = check(render(facts(mistakes=[row], mistakes_note="Of 3."), {"mistakes": [shown]}))
    assert [image.get("alt") for image in tree.iter("img")] == [
        "a.png", "The same image with the evidence for dog marked.", "b.png"
    ]  # fmt: skip
    assert [block.get("class") for block in tree.iter("div") if "two" in (block.get("class") or "")] == ["two useless"]


@pytest.mark.parametrize(("side", "kind", "size"), [(16, "png", 16), (64, "png", 64), (65, "jpeg", 65), (300, "jpeg", 128)])
def test_small_images_keep_their_pixels_and_large_ones_are_made_smaller(side, kind, size):
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    head, _, data = data_uri(pixels).partition(",")
    assert head == f"data:image/{kind};base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (size, size)
        if kind == "png":
            assert np.array_equal(np.asarray(image), pixels)
    assert (kind_of(pixels) == "") == (kind == "png")


def test_a_gray_image_is_one_channel():
    _, _, data = data_uri(np.full((4, 4, 1), 7, np.uint8)).partition(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.mode == "L"
