"""`striate lab`: the pages, until it is told to stop."""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from striate.base.arguments import named_arguments
from striate.base.errors import MissingExtraError
from striate.base.events import Json
from striate.lab.options import LabOptions, check_options
from striate.lab.workbench import places

log = logging.getLogger("striate")
_PACKAGES = ("fastapi", "uvicorn", "python-multipart", "prometheus-client")


@named_arguments()
def lab(
    opened: str | Path | None = None, *, root: str | Path | None = None, out: str | Path = "runs", host: str = "127.0.0.1",
    port: int = 8000, token: str | None = None, allow_host: Sequence[str] = (),
    started: Callable[[Json], object] | None = None,
) -> None:  # fmt: skip
    """Show the pages of the lab until SIGTERM or SIGINT.

    Args:
        opened: images, or a run by its name, that the page shows at first.
        root: the folder below which images can be chosen, and nothing outside it; else the current one, or that of the images
            to show where they lie elsewhere.
        out: the folder of the runs.
        host: address to listen on. Where others reach it, a token must be given.
        port: to listen on; 0 for any that is free.
        token: what the page asks for before it shows anything of yours; none for no token.
        allow_host: further names under which this server is reached, as requests have them in their Host header.
        started: called once requests are answered, with `url`.

    Raises:
        SettingError: an address that others reach without a token, one that is in use, or a folder that is not there.
        MissingExtraError: the packages of `striate[serve]` are not installed.

    """
    base, data, run = places.first(opened, root, Path(out))
    options = LabOptions(host, port, token, tuple(allow_host), base, Path(out), data=data, run=run)
    for package in _PACKAGES:
        if find_spec(package.replace("-", "_")) is None:
            raise MissingExtraError("The lab", package, "serve")
    check_options(options)
    from striate.lab.pages import prepare
    from striate.lab.server import Server
    from striate.workflows.serve.listening import listen, url_of

    listening = listen(host, port)
    try:
        server = Server(options)
        prepare()
        url = url_of(host, listening)
        log.info("The lab is at %s%s; stop with Ctrl-C.", url, "" if token is None else "/#token=TOKEN")
        if started is not None:
            started({"url": url})
        server.run([listening])
    finally:
        listening.close()
