"""`striate report`."""

from collections.abc import Iterator

from striate.cli.console import Event, documented_by, show, speaking, trust

_WORDS = {"note": "note", "warning": "warning", "bad": "problem"}


@documented_by("striate.workflows.report.build", "write_report")
def report(run: str, /, *, watch: bool = False, trust_code: bool = False, json: bool = False) -> None:
    """Write all that is known of a run on one page that needs no server and no network: RUN/report.html.

    Args:
        watch: rewrite the page after each epoch, until the run has ended; a browser that shows it renews it by itself.
        json: print one JSON object on stdout; all numbers of the page are in RUN/report.json.

    """
    from striate.workflows import checks

    with speaking() as see, checks.before_torch(see, checks.check_run, run):
        from striate.workflows.report.build import write_report

        trust(run, trust_code)
        result = write_report(run, follow=watch, watch=see)
    show(result, json, _lines)


def _lines(result: Event) -> Iterator[str]:
    yield result["trust"]["sentence"]
    for finding in result["trust"]["findings"]:
        if finding["level"] != "good":
            yield f"  {_WORDS[finding['level']]}: {finding['sentence']}"
    yield from (*result["notes"], f"{result['report']} ({result['bytes'] / 1e6:.1f} MB)")
