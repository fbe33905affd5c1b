"""`striate report`."""

from typing import Any

from striate.cli.console import print_json, speaking, stdout

_WORDS = {"good": "in its favor", "note": "note", "warning": "warning", "bad": "against it"}


def report(run: str, /, *, watch: bool = False, json: bool = False) -> None:
    """Write all that is known of a run on one page that needs no server and no network: RUN/report.html.

    Args:
        run: by name or folder; it may still be training.
        watch: rewrite the page after each epoch, until the run has ended; a browser that shows it renews it by itself.
        json: print one JSON object on stdout; all numbers of the page are in RUN/report.json.

    """
    from striate.workflows.report.build import write_report

    with speaking() as see:
        result = write_report(run, follow=watch, watch=see)
    if json:
        print_json(result)
    else:
        stdout().print(_spoken(result))


def _spoken(result: dict[str, Any]) -> str:
    lines = [result["trust"]["sentence"]]
    lines += [f"  {_WORDS[one['level']]}: {one['sentence']}" for one in result["trust"]["findings"] if one["level"] != "good"]
    return "\n".join([*lines, *result["notes"], f"{result['report']} ({result['bytes'] / 1e6:.1f} MB)"])
