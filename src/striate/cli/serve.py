"""`striate serve`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from striate.cli.console import documented_by, print_json, speaking, trust
from striate.cli.server_token import read_token


@documented_by(
    "striate.workflows.serve.run",
    "serve",
    token_file="a file with the token; else $STRIATE_TOKEN.",
    no_spare="keep no second inference process, which answers at once when the first dies, and takes as much memory.",
    json="print one JSON object on stdout once requests are answered: url, model, sha256.",
)
def serve(
    run: str, /, *, host: str = "127.0.0.1", port: int = 8000, device: str = "auto", precision: str = "fp32",
    token_file: Path | None = None, allow_host: Annotated[tuple[str, ...], Parameter("--allow-host")] = (), queue: int = 64,
    batch: int = 32, deadline: float = 10.0, max_upload_mb: float = 10.0, watch: bool = False, no_spare: bool = False,
    trust_code: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Serve a model over HTTP, with a page to try it."""
    from striate.workflows.serve import run as workflow

    token = read_token(token_file)
    with speaking():
        trust(run, trust_code)
        workflow.serve(
            run, host=host, port=port, device=device, token=token, allow_host=allow_host, queue=queue, batch=batch,
            deadline=deadline, max_upload_mb=max_upload_mb, watch=watch, spare=not no_spare, precision=precision,
            started=print_json if json else None,
        )  # fmt: skip
