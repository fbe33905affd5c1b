"""`striate doctor`."""

from striate.cli.console import print_json, stdout


def doctor(*, json: bool = False) -> None:
    """Versions, device, cache, what is missing and how to get it: for bug reports.

    Args:
        json: print one JSON object on stdout.

    """
    from striate.workflows.doctor import doctor as diagnose

    found = diagnose()
    if json:
        print_json(found)
        return
    cache, data = found["cache"], found["data_folder"]
    lines = [
        f"striate {found['striate']}, Python {found['python']}, {found['system']}, {found['cores']} cores",
        ", ".join(f"{name} {version}" for name, version in found["packages"].items()),
        *found["engine"],
        f"cache {cache['folder']}: {cache['bytes'] / 1e6:.1f} MB" + ("" if cache["writable"] else ", NOT WRITABLE"),
        f"STRIATE_DATA {data['STRIATE_DATA'] or 'is not set: named data sets are downloaded to the cache'}"
        + (", which does not exist" if data["STRIATE_DATA"] and not data["exists"] else ""),
    ]
    for name, extra in found["extras"].items():
        state = "installed" if extra["installed"] else f"missing: {extra['get']}"
        lines.append(f"{extra['for']} [{name}]: {state}")
    stdout().print("\n".join(lines), markup=False)
