"""`README.md` of a model: what it is for, what it was trained and tested on, and how to use it, with the fields of model hubs.

The card is a function of facts that are known where a model is written. Names of classes and paths are data: escaped in the
text, quoted in the fields at the top, which are YAML of which every value is also JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from striate.base.phrases import join_names, percent, without_controls

FILE = "README.md"
_CLASSES, _FEW = 100, 30  # classes that are listed; test images of a class below which its recall is little known


class CardScore(NamedTuple):
    """An accuracy, of several labels an image an mAP, with its 95 % interval."""

    part: str  # validation or test
    accuracy: float
    low: float
    high: float
    n: int


class ClassCount(NamedTuple):
    """One class: its images, and its recall on the test images."""

    name: str
    train: int | None = None  # None where it is not known, as of external weights
    recall: float | None = None
    tested: int = 0


class CardFacts(NamedTuple):
    """What a card says."""

    name: str
    net: str
    parameters: int
    input: str  # as 16 x 16 px, gray, squash
    classes: Sequence[ClassCount]
    scores: Sequence[CardScore] = ()
    macro_f1: float | None = None  # on the test images
    calibration_error: float | None = None
    false_alarms: float | None = None  # of the flag for images unlike the training's; None where the model has none
    data: str | None = None  # the path of the images
    data_sha256: str | None = None
    started_from: str | None = None  # weights that the training began with
    license: str = ""  # of these
    versions: Mapping[str, str] = {}
    several: bool = False  # whether an image may have several labels


def render(facts: CardFacts) -> str:
    """The card as Markdown with YAML at its top."""
    sections = (
        f"# {_text(facts.name)}\n\n{_intended(facts)}", f"## Training data\n\n{_training(facts)}",
        f"## Preprocessing\n\n{_preprocessing(facts)}", f"## Results\n\n{_results(facts)}",
        f"## Limitations\n\n{_listed(_limitations(facts))}", f"## How to use\n\n{_usage()}", f"## License\n\n{_license(facts)}",
        f"## Versions\n\n{_listed([f'{_text(name)} {_text(version)}' for name, version in facts.versions.items()])}",
    )  # fmt: skip
    return f"---\n{_fields(facts)}---\n\n" + "\n\n".join(sections) + "\n"


def with_answers(card: str, sentences: Sequence[str]) -> str:
    """The card with what the model answers where it is not sure, before its limitations; what it said of that is replaced."""
    rest = re.sub(r"^## Answers\n.*?(?=^## )", "", card, flags=re.M | re.S)
    section = f"## Answers\n\n{_listed(sentences)}\n\n"
    return re.sub(r"^(?=## Limitations$)", lambda _: section, rest, count=1, flags=re.M)


def _fields(facts: CardFacts) -> str:
    """The fields at the top, a line for each, its value as JSON, which YAML reads as well."""
    fields: dict[str, Any] = {
        "license": "other",
        "license_name": facts.license or "not stated",
        "library_name": "striate",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "striate", facts.net],
        "metrics": ["mAP" if facts.several else "accuracy", "f1"],
    }
    if facts.data is not None:
        fields["datasets"] = [facts.data]
    tested = [score for score in facts.scores if score.part == "test"]
    if tested:
        metrics = [{"type": "mAP" if facts.several else "accuracy", "value": tested[0].accuracy}]
        metrics += [] if facts.macro_f1 is None else [{"type": "f1", "name": "macro F1", "value": facts.macro_f1}]
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": facts.data or "", "type": "image-folder", "split": "test"},
            "metrics": metrics,
        }
        fields["model-index"] = [{"name": facts.name, "results": [result]}]
    return "".join(f"{name}: {json.dumps(_clean(value))}\n" for name, value in fields.items())


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_controls(value)
    if isinstance(value, dict):
        return {name: _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def _text(text: str) -> str:
    """Text on one line that Markdown and HTML show as it is."""
    plain = " ".join(without_controls(text).split())
    return re.sub(r"([\\`*_{}\[\]()#+!|~>$-])", r"\\\1", plain.replace("&", "&amp;").replace("<", "&lt;"))


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) if lines else "Not recorded."


def _intended(facts: CardFacts) -> str:
    names = [_text(row.name) for row in facts.classes]
    shown = join_names(names) if len(names) <= 20 else f"{', '.join(names[:20])} and {len(names) - 20:,} more"
    if facts.several:
        return (
            f"A classifier that gives an image any of {len(names):,} labels, several or none: {shown}. The network is "
            f"{_text(facts.net)} with {facts.parameters:,} parameters.\n\n"
            "It is meant for images like those it was trained on. Each label has a probability and a threshold of its own, "
            "fitted on validation images."
        )
    return (
        f"A classifier of images into {len(names):,} classes: {shown}. The network is "
        f"{_text(facts.net)} with {facts.parameters:,} parameters.\n\n"
        "It is meant for images like those it was trained on. It gives one of these classes for any image, whatever it shows."
    )


def _training(facts: CardFacts) -> str:
    if facts.data is None:
        return f"Not known: the weights come from {_text(facts.started_from or 'elsewhere')}."
    start = f" Training started from {_text(facts.started_from)}." if facts.started_from else ""
    head = f"Images of {_text(facts.data)}, fingerprint `{facts.data_sha256}` (labels and pixels).{start}\n\n"
    rows = [f"| {_text(row.name)} | {row.train or 0:,} | {row.tested:,} |" for row in facts.classes[:_CLASSES]]
    more = f"\n\nAnd {len(facts.classes) - _CLASSES:,} more classes." if len(facts.classes) > _CLASSES else ""
    return head + "\n".join(["| class | training images | test images |", "|---|---:|---:|", *rows]) + more


def _preprocessing(facts: CardFacts) -> str:
    return f"Images are brought to {_text(facts.input)}; model.json has all of it, and `striate` does it by itself."


def _results(facts: CardFacts) -> str:
    if not facts.scores:
        return "Not tested. `striate evaluate MODEL DATA` scores it on labeled images."
    rows = [
        f"| {row.part} | {percent(row.accuracy)} | {percent(row.low)} to {percent(row.high)} | {row.n:,} |"
        for row in facts.scores
    ]
    measure = "mAP" if facts.several else "accuracy"
    lines = [f"| images | {measure} | 95 % interval | number |", "|---|---:|---:|---:|", *rows]
    if facts.macro_f1 is not None:
        lines += ["", f"Macro F1 on the test images: {facts.macro_f1:.4f}."]
    recalls = [row for row in facts.classes if row.recall is not None][:_CLASSES]
    if recalls:
        lines += ["", "| class | recall | test images |", "|---|---:|---:|"]
        lines += [f"| {_text(row.name)} | {row.recall:.3f} | {row.tested:,} |" for row in recalls]
    return "\n".join(lines)


def _limitations(facts: CardFacts) -> list[str]:
    lines = ["Whatever is not among its classes is given one of them all the same."]
    if facts.several:
        lines = ["What is not among its labels is not told from nothing, and may be taken for one of them."]
    if facts.false_alarms is not None:
        lines[0] += (
            f" `unknown` flags images that look like none of the training's, and about {100 * facts.false_alarms:g} % of those "
            "that do."
        )
    counts = [(row.train, row.name) for row in facts.classes if row.train]
    if counts and max(counts)[0] >= 3 * min(counts)[0]:
        (most, large), (fewest, small) = max(counts), min(counts)
        lines.append(f"The training data are imbalanced: {most:,} images of {_text(large)}, {fewest:,} of {_text(small)}.")
    few = [_text(row.name) for row in facts.classes if row.recall is not None and row.tested < _FEW]
    if few:
        which = join_names(few) if len(few) <= 10 else f"{len(few):,} classes"
        lines.append(f"Fewer than {_FEW} test images: the recall of {which} is little known.")
    if facts.calibration_error is not None:
        lines.append(f"Probabilities differ from the accuracy by {facts.calibration_error:.3f} on average (calibration error).")
    tested = any(score.part == "test" for score in facts.scores)
    rest = "The test images come from the same source as the training images; on others the accuracy may be lower."
    lines.append(rest if tested else "No score on test images is recorded here; that of folds is in result.json of the run.")
    return lines


def _usage() -> str:
    return (
        '```python\nimport striate\n\nmodel = striate.load("FOLDER")  # of this file\nmodel.predict("image.jpg")\n```\n\n'
        "```console\n$ striate predict FOLDER image.jpg\n```"
    )


def _license(facts: CardFacts) -> str:
    if facts.license:
        return f"Of the weights that it started from: {_text(facts.license)}."
    return "Nothing is stated here; whoever publishes the model chooses."
