"""The card of a model: fields that YAML and model hubs read, and names that are text wherever they come from."""

import json

import pytest

from striate.base.model_card import CardFacts, CardScore, ClassCount, render

EVIL = ['a: "b"', "it's", "- x", "<script>alert(1)</script>", "| pipe", "日本 #1", "line\nbreak", "---", "\x1b[31mred"]
FACTS = CardFacts(
    name="mlp on photos", net="mlp", parameters=1234, input="16 x 16 px, gray, by squash",
    classes=[ClassCount("cat", 90, 0.5, 40), ClassCount("dog", 30, 0.9, 10)],
    scores=[CardScore("validation", 0.8, 0.7, 0.9, 50), CardScore("test", 0.58, 0.44, 0.71, 50)], macro_f1=0.6123,
    calibration_error=0.05, data="photos", data_sha256="ab" * 32, versions={"torch": "2.9.0"},
)  # fmt: skip


def fields(card: str) -> dict[str, object]:
    """The fields at the top, whose values are JSON."""
    head = card.split("---\n")[1]
    return {name: json.loads(value) for name, value in (line.split(": ", 1) for line in head.splitlines())}


def test_the_fields_are_those_that_hubs_expect():
    yaml = pytest.importorskip("yaml")
    top = yaml.safe_load(render(FACTS).split("---\n")[1])
    assert top == fields(render(FACTS))
    assert top["pipeline_tag"] == "image-classification"
    assert top["library_name"] == "striate"
    assert top["datasets"] == ["photos"]
    ((result,),) = (index["results"] for index in top["model-index"])
    assert result["metrics"] == [
        {"type": "accuracy", "value": 0.58}, {"type": "f1", "name": "macro F1", "value": 0.6123}
    ]  # fmt: skip


def test_the_card_says_what_the_model_is_was_trained_on_scores_and_lacks():
    card = render(FACTS)
    for text in (
        "into 2 classes: cat and dog", "| cat | 90 | 40 |", "| test | 58.00 % | 44.00 % to 71.00 % | 50 |",
        "Macro F1 on the test images: 0.6123.", "| dog | 0.900 | 10 |", "imbalanced: 90 images of cat, 30 of dog",
        "the recall of dog is little known", "(calibration error)", "striate predict FOLDER image.jpg", "- torch 2.9.0",
    ):  # fmt: skip
        assert text in card, text


def test_names_are_text_in_fields_and_in_markdown():
    yaml = pytest.importorskip("yaml")
    classes = [ClassCount(name, 1, 1.0, 1) for name in EVIL]
    card = render(FACTS._replace(classes=classes, name=EVIL[0], data=EVIL[6], net=EVIL[3], license=EVIL[1]))
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head) == fields(card)
    assert yaml.safe_load(head)["model-index"][0]["name"] == EVIL[0]
    assert "<script" not in body
    assert "\x1b" not in card
    assert "\\| pipe" in body
    assert "line break" in body
    assert "\n---" not in body


def test_of_weights_from_elsewhere_it_says_that_the_training_is_not_known():
    card = render(CardFacts("x", "vgg11", 5, "224 x 224 px", [ClassCount("a")], started_from="vgg.pth", license="MIT"))
    assert "Not known: the weights come from vgg.pth." in card
    assert "Of the weights that it started from: MIT." in card
    assert "Not tested." in card
    assert "model-index" not in card


def test_a_flag_for_unknown_images_is_a_limitation_with_its_false_alarms():
    card = render(FACTS._replace(false_alarms=0.05))
    assert "`unknown` flags images that look like none of the training's, and about 5 % of those that do." in card
    assert "`unknown`" not in render(FACTS)
