"""`striate export`."""

from collections.abc import Iterator
from pathlib import Path

from striate.base.phrases import percent
from striate.cli.console import Event, documented_by, show, speaking, trust


@documented_by("striate.workflows.export.run", "export")
def export(
    run: str, /, *, out: Path | None = None, data: str | None = None, int8: bool = False, fp16: bool = False,
    any_size: bool = False, pt2: bool = False, litert: bool = False, web: bool = False, onnxruntime_web: Path | None = None,
    trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Write the classifier as one ONNX file, proved on held-out images; it needs neither striate nor torch."""
    from striate.workflows import checks, engines

    folder = engines.export_folder(run) if out is None else out
    with speaking() as watch, checks.before_torch(watch, checks.check_export, run, folder, data, litert):
        from striate.workflows.export import run as workflow

        trust(run, trust_code)
        result = workflow.export(
            run, folder, data, watch, int8=int8, fp16=fp16, any_size=any_size, pt2=pt2, litert=litert, web=web,
            onnxruntime_web=onnxruntime_web,
        )  # fmt: skip
    show(result, json, _lines)


def _lines(result: Event) -> Iterator[str]:
    yield f"{result['onnx']} ({result['bytes'] / 1e6:.1f} MB)"
    yield (
        f"  on {result['agreement']['n']:,} {result['images_from']}: {_agreement(result['agreement'])}; "
        f"largest difference of a logit {result['agreement']['max_abs_logit']:.1e}"
    )
    for precision in ("int8", "fp16"):
        if (lower := result.get(precision)) is not None:
            yield from _lower(lower, result["bytes"])
    if (any_size := result.get("any_size")) is not None:
        yield f"{any_size['onnx']} ({any_size['bytes'] / 1e6:.1f} MB)"
        yield (
            f"  on {any_size['n']:,} of these images at their own size: the same pixels; "
            f"largest difference of a logit {any_size['max_abs_logit']:.1e}"
        )
    for form in ("pt2", "litert"):
        if (program := result.get(form)) is not None:
            yield f"{program['path']} ({program['bytes'] / 1e6:.1f} MB)"
            yield (
                f"  on the same images: {_agreement(program['agreement'])}; "
                f"largest difference of a logit {program['agreement']['max_abs_logit']:.1e}"
            )
    if "web" in result:
        yield f"{result['web']}: a page for any static host; try it by `python -m http.server -d {result['web']}`"


def _lower(lower: Event, full: int) -> Iterator[str]:
    yield f"{lower['onnx']} ({lower['bytes'] / 1e6:.1f} MB, {percent(lower['bytes'] / full)} of it)"
    change = lower["accuracy_change"]
    measured = f"; ranges measured on {lower['calibration_images']:,} images" if "calibration_images" in lower else ""
    value, low, high = (f"{100 * change[name]:+.2f}" for name in ("value", "low", "high"))
    yield f"  accuracy {value} points ({low} to {high}); {_agreement(lower['agreement'])}{measured}"


def _agreement(agreement: Event) -> str:
    ties = f", {agreement['near_ties']} near ties" if agreement["near_ties"] else ""
    return f"{percent(agreement['top1'])} of the predictions are the same{ties}"
