"""`striate lab`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from striate.cli.console import documented_by, print_json, speaking
from striate.cli.server_token import read_token


@documented_by(
    "striate.lab.run",
    "lab",
    token_file="a file with the token; else $STRIATE_TOKEN.",
    json="print one JSON object on stdout once requests are answered: url.",
)
def lab(
    opened: str | None = None, /, *, root: Path | None = None, out: Path = Path("runs"), host: str = "127.0.0.1",
    port: int = 8000, token_file: Path | None = None,
    allow_host: Annotated[tuple[str, ...], Parameter("--allow-host")] = (), json: bool = False,
) -> None:  # fmt: skip
    """Pages on which a classifier is made, watched and understood."""
    from striate.lab import run as workflow

    token = read_token(token_file)
    with speaking():
        workflow.lab(
            opened, root=root, out=out, host=host, port=port, token=token, allow_host=allow_host,
            started=print_json if json else None,
        )  # fmt: skip
