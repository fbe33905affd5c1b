"""`striate doctor`."""

from striate.cli.console import print_json, stdout


def doctor(*, json: bool = False) -> None:
    """Versions, device, cache, what is missing and how to get it: for bug reports.

    Args:
        json: print one JSON object on stdout.

    """
    from striate.workflows.doctor import doctor as diagnose

    facts = diagnose()
    if json:
        print_json(facts)
        return
    cache, data = facts["cache"], facts["data_folder"]
    lines = [
        f"striate {facts['striate']}, Python {facts['python']}, {facts['system']}, {facts['cores']} cores",
        ", ".join(f"{name} {version}" for name, version in facts["packages"].items()),
        *facts["engine"],
        f"cache {cache['folder']}: {cache['bytes'] / 1e6:.1f} MB" + ("" if cache["writable"] else ", NOT WRITABLE"),
        f"STRIATE_DATA {data['STRIATE_DATA'] or 'is not set: named data sets are downloaded to the cache'}"
        + (", which does not exist" if data["STRIATE_DATA"] and not data["exists"] else ""),
    ]
    for name, extra in facts["extras"].items():
        state = "installed" if extra["installed"] else f"missing: {extra['get']}"
        lines.append(f"{extra['for']} [{name}]: {state}")
    stdout().print("\n".join(lines))
