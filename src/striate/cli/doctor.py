"""`striate doctor`."""

from collections.abc import Iterator

from striate.cli.console import Event, documented_by, show


@documented_by("striate.workflows.doctor", "doctor")
def doctor(*, json: bool = False) -> None:
    """Versions, device, cache, what is missing and how to get it: for bug reports."""
    from striate.workflows.doctor import doctor as diagnose

    show(diagnose(), json, _lines)


def _lines(facts: Event) -> Iterator[str]:
    cache, data = facts["cache"], facts["data_folder"]
    yield f"striate {facts['striate']}, Python {facts['python']}, {facts['system']}, {facts['cores']} cores"
    yield ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    yield from facts["engine"]
    yield f"cache {cache['folder']}: {cache['bytes'] / 1e6:.1f} MB" + ("" if cache["writable"] else ", NOT WRITABLE")
    missing = ", which does not exist" if data["STRIATE_DATA"] and not data["exists"] else ""
    yield f"STRIATE_DATA {data['STRIATE_DATA'] or 'is not set: named data sets are downloaded to the cache'}{missing}"
    for name, extra in facts["extras"].items():
        state = "installed" if extra["installed"] else f"missing: {extra['get']}"
        yield f"{extra['for']} [{name}]: {state}"
