"""`striate export`."""

from collections.abc import Iterator
from pathlib import Path

from striate.base.phrases import percent
from striate.cli.console import Event, documented_by, show, speaking, trust


@documented_by("striate.workflows.export.run", "export")
def export(
    run: str, /, *, out: Path | None = None, data: str | None = None, trust_code: bool = False, json: bool = False
) -> None:
    """Write the classifier as one ONNX file, proved on held-out images; it needs neither striate nor torch."""
    from striate.workflows import checks, engines

    folder = engines.export_folder(run) if out is None else out
    with speaking() as watch, checks.before_torch(checks.check_export, run, folder, data):
        from striate.workflows.export import run as workflow

        trust(run, trust_code)
        result = workflow.export(run, folder, data, watch)
    show(result, json, _lines)


def _lines(result: Event) -> Iterator[str]:
    yield f"{result['onnx']} ({result['bytes'] / 1e6:.1f} MB)"
    agreement = result["agreement"]
    ties = f", {agreement['near_ties']} near ties" if agreement["near_ties"] else ""
    yield (
        f"  on {agreement['n']:,} {result['images_from']}: {percent(agreement['top1'])} of the predictions are the same{ties}; "
        f"largest difference of a logit {agreement['max_abs_logit']:.1e}"
    )
