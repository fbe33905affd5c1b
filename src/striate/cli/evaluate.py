"""`striate evaluate`."""

from collections.abc import Iterator
from functools import partial

from rich.table import Table

from striate.base import config
from striate.base.phrases import percent, plural
from striate.base.wall_clock import counting
from striate.cli import label_sets
from striate.cli.console import Event, Settings, documented_by, interval, macro_scores, show, speaking, table, trust

_SQUARE = 20  # classes, up to which the confusion matrix is printed
_ALL, _WORST = 50, 20  # classes, up to which all are printed; and so many of more


@documented_by("striate.workflows.evaluate", "evaluate")
def evaluate(
    run: str, data: str | None = None, /, *, crops: int = 1, data_dir: str | None = None, labels_from: str | None = None,
    relabel: str | None = None, exclude: str | None = None, max_error: float | None = None,
    confidence: float | None = None, coverage: float | None = None, save: bool = False, precision: str = "fp32",
    set_: Settings = (), trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Score a model: accuracy with its interval, top-5, per class, confusion matrix.

    Args:
        run: a run by name or folder, an artifact's folder, an ONNX file, or weights by name: resnet50@imagenet.
        data: labeled images to test on; nothing for the run's own test images.
        labels_from: of a folder: parent, top, or 'name:EXPRESSION' with one group, as 'name:(.+)_[0-9]'.
        relabel: a table with the columns path and new_label (or label): other labels for some images.
        exclude: a table with the column path, or a path in each line: images to leave out.
        set_: a setting of section data for DATA; may be repeated.

    """
    from striate.workflows import checks
    from striate.workflows.selective import Promise

    promise = Promise(max_error, confidence, coverage)
    flags = {"data": {"data_dir": data_dir, "labels_from": labels_from, "relabel": relabel, "exclude": exclude}}
    settings = config.section(config.join(flags, *(config.setting(text) for text in set_)), "data")
    check = (checks.check_evaluation, run, data, settings, crops, promise, save, precision)
    with counting(), speaking() as watch, checks.before_torch(watch, *check):
        from striate.workflows.evaluate import evaluate as evaluate_model

        trust(run, trust_code)
        result = evaluate_model(run, data, settings, watch, crops=crops, save=save, precision=precision, **promise._asdict())
    show(result, json, partial(_parts, unsaved=promise != Promise()))


def _parts(result: Event, unsaved: bool = False) -> Iterator[str | Table]:
    if result["computed_in"] != "fp32":
        yield f"predictions were computed in {result['computed_in']}"
    if "map" in result:
        yield from label_sets.parts(result)
        return
    yield _classes(result)
    if len(result["per_class"]) <= _SQUARE:
        yield _confusion(result)
    yield _answered(result["risk_coverage"])
    yield _headline(result)
    yield from _promised(result, unsaved)
    if (unknown := result.get("unknown")) is not None:
        yield (
            f"flagged as unknown: {percent(unknown['flagged'] / unknown['n'])} of the images; {percent(unknown['rate'])} are "
            "expected of images like those of the training"
        )
    if (small := result["baselines"]) is not None:
        nearest, linear = (percent(small[name]["accuracy"]) for name in ("nearest_pixels", "linear_pixels"))
        yield (
            f"on {small['side_px']} x {small['side_px']} pixels alone ({plural(small['nearest_pixels']['n'], 'test image')}): "
            f"nearest training image {nearest}, linear model {linear}"
        )
    if result.get("baseline_finding"):
        yield result["baseline_finding"]
    if (features := result.get("feature_baseline")) is not None:
        yield features["sentence"]
    if (looks := result["test_looks"])["runs"] > 1:
        yield (
            f"this test set has been scored {looks['looks']:,} times by {looks['runs']:,} runs; choosing among runs by it "
            "makes the best score too high"
        )


def _headline(result: Event) -> str:
    bad = f"\n{len(result['quarantined'])} files could not be decoded and are not counted" if result["quarantined"] else ""
    error = f"calibration error {result['calibration_error']:.4f}{_scaled(result)}"
    overlap = result["trained_on"] or {}
    unseen = overlap.get("unseen") if overlap.get("seen") else None
    without = "" if unseen is None else f"\nwithout the images that the run was trained on: {_accuracy(unseen)})"
    top5 = "" if result["top5"] is None else f"\ntop-5 accuracy {percent(result['top5'])}"
    if len(present := [name for name, score in result["per_class"].items() if score["support"]]) == 1:
        return (
            f"recall of {present[0]} {_accuracy(result).removeprefix('accuracy ')}){without}{top5}\n"
            f"all images are of this one class, so accuracy is its recall; {error}{bad}"
        )
    return (
        f"{_accuracy(result)}; majority-class baseline: {percent(result['majority'])}){without}{top5}\n"
        f"{macro_scores(result)}, {error}{bad}"
    )


def _answered(curve: Event) -> str:
    """What share of the images is answered with few errors, where the least probable predictions are left out."""
    area = f"area under the risk-coverage curve {curve['area']:.4f}"
    if not curve["at_error"]:
        return area
    shares = [f"{percent(row['coverage'])} at an error of {100 * row['max_error']:g} %" for row in curve["at_error"]]
    return f"share answered where the least probable predictions are left out: {', '.join(shares)}; {area}"


def _promised(result: Event, unsaved: bool) -> Iterator[str]:
    """What the threshold and the sets of the model do, or those that were asked for."""
    if (rule := result["abstention"]) is not None:
        yield _threshold(rule, result["saved"] is not None)
    if (sets := result["sets"]) is not None:
        yield _sets(sets)
    if result["saved"] is not None:
        yield f"saved in {result['saved']}: `striate predict` answers by it, and `striate report` shows it"
    elif unsaved and result["computed_in"] == "fp32":
        yield "`striate evaluate ... --save` keeps this in the model, for `striate predict`"


def _threshold(rule: Event, saved: bool) -> str:
    goal = ""
    if rule["max_error"] is not None:
        goal = f" for an error of at most {100 * rule['max_error']:g} %, with {100 * rule['confidence']:g} % confidence"
    if rule["threshold"] is None:
        ends = "and none was saved" if saved else "so the model abstains from every prediction"
        return f"threshold{goal}: none on these {plural(rule['n'], 'image')}, {ends}"
    which = "by" if rule["chosen_here"] else "tried on"
    return (
        f"threshold{goal}: {rule['threshold']:.4f}, {which} {plural(rule['n'], 'image')}, of which {percent(rule['coverage'])} "
        f"are answered, {rule['errors']:,} wrong"
    )


def _sets(sets: Event) -> str:
    goal = f"{100 * sets['coverage']:g} % of the images"
    start = f"sets, of classes with a probability of at least {sets['threshold']:.4f}, to have the true class for {goal}"
    if sets["measured"] is None:
        return f"{start}: too few images to measure them"
    how = "each half by the other" if sets["chosen_here"] else "tried on them"
    return (
        f"{start}: {percent(sets['measured'])} have it, with {sets['size']:.2f} classes on average and one alone in "
        f"{percent(sets['single'])} ({plural(sets['n'], 'image')}, {how})"
    )


def _scaled(result: Event) -> str:
    """What the calibration error was before temperature scaling; nothing where the model has none."""
    if (temperature := result["temperature"]) == 1:
        return ""
    return f" ({result['calibration_error_unscaled']:.4f} before scaling with temperature {temperature:.3g})"


def _accuracy(score: Event) -> str:
    """An accuracy with its interval, whose bracket is left open."""
    return f"accuracy {percent(score['accuracy'])}  ({interval(score)}, {plural(score['n'], 'image')}"


def _classes(result: Event) -> Table:
    """Scores of the classes; of more than 50, of those with the lowest F1."""
    rows = [(name, score) for name, score in result["per_class"].items() if score["support"]]
    absent, notes = len(result["per_class"]) - len(rows), list[str]()
    if len(rows) > _ALL:
        notes.append(f"the {_WORST} of {len(rows):,} classes with the lowest F1; --json has all")
        rows = sorted(rows, key=lambda row: float(row[1]["f1"]))[:_WORST]
    if absent:
        verbs = ("has", "is") if absent == 1 else ("have", "are")
        notes.append(f"{absent:,} {'class' if absent == 1 else 'classes'} {verbs[0]} no images here and {verbs[1]} not shown")
    scores = table("class", "precision", "recall", "F1", "images", caption="\n".join(notes) or None)
    for name, score in rows:
        shares = (score["precision"], score["recall"], score["f1"])
        scores.add_row(name, *(f"{share:.3f}" for share in shares), f"{score['support']:,}")
    return scores


def _confusion(result: Event) -> Table:
    names = list(result["per_class"])
    counts = table("", *names, title="true class by row, prediction by column")
    for name, row in zip(names, result["confusion"], strict=True):
        counts.add_row(name, *(str(count) if count else "." for count in row))
    return counts
