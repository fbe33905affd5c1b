"""`striate serve`: a model over HTTP, until it is told to stop."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from striate.base.arguments import named_arguments
from striate.base.errors import RunError, SettingError
from striate.base.events import Json
from striate.onnx_model import is_onnx
from striate.workflows.serve.options import ServeOptions, check_options

log = logging.getLogger("striate")
_PACKAGES = ("fastapi", "uvicorn", "python-multipart", "prometheus-client")


@named_arguments()
def serve(
    run: str | Path, *, host: str = "127.0.0.1", port: int = 8000, device: str = "auto", token: str | None = None,
    allow_host: Sequence[str] = (), queue: int = 64, batch: int = 32, deadline: float = 10.0, max_upload_mb: float = 10.0,
    watch: bool = False, spare: bool = True, precision: str = "fp32", started: Callable[[Json], object] | None = None,
) -> None:  # fmt: skip
    """Answer requests over HTTP until SIGTERM or SIGINT; those accepted are answered first.

    Args:
        run: a run by name or folder, a model's folder, `NET@WEIGHTS`, or a file of `striate export`, which needs no torch.
        host: address to listen on. Where others reach it, a token must be given.
        port: to listen on; 0 for any that is free.
        device: to compute on; `auto` for the best there is.
        token: what requests must bring as `Authorization: Bearer TOKEN`; none for no token.
        allow_host: further names under which this server is reached, as requests have them in their Host header.
        queue: requests that may wait for their answer; one more is answered with 429.
        batch: most images that go through the network at once.
        deadline: seconds within which a request is answered, from when it has come in; else with 503.
        max_upload_mb: largest request, in MiB.
        watch: load the model anew when its files change, as after a new training; else only at SIGHUP.
        spare: keep a second inference process that has loaded the model, and answers at once when the first dies; its memory is
            the price.
        precision: of convolutions and matrix products: fp32, or bf16, as `predict` takes it.
        started: called once requests are answered, with `url`, `model` and `sha256`.

    Raises:
        SettingError: an address that others reach without a token, one that is in use, or a number that makes no sense.
        MissingExtraError: the packages of `striate[serve]` are not installed.
        ArtifactError: the model cannot be loaded; says why.

    """
    options = ServeOptions(
        host, port, device, token, tuple(allow_host), queue, batch, deadline, max_upload_mb, watch, spare, precision
    )  # fmt: skip
    check_serve(run, options)
    from striate.workflows.serve.listening import listen, url_of
    from striate.workflows.serve.loaded_model import LoadedModel
    from striate.workflows.serve.model_files import fingerprint
    from striate.workflows.serve.server import Server

    listening = listen(host, port)
    try:
        seen = fingerprint(str(run))  # before it is loaded, so that no change is missed
        model = LoadedModel(str(run), device, precision=precision)
        try:
            model.load()
        except BaseException:
            model.close()
            raise
        facts = {"url": url_of(host, listening), "model": str(run), "sha256": model.sha256}
        log.info("Serving %s (model %s) on %s; stop with Ctrl-C.", run, model.sha256[:12], facts["url"])
        server = Server(model, options, seen=seen)
        if started is not None:
            started(facts)
        server.run([listening])
    finally:
        listening.close()


def check_serve(run: str | Path, options: ServeOptions) -> None:
    """Refuse, before anything heavy is imported, what cannot be served."""
    from striate.workflows.checks import check_model, check_precision, need

    check_options(options)
    check_precision(run, options.precision)
    need("The server", "serve", _PACKAGES)
    if not is_onnx(run):
        check_model(run, "what is served is a model: a run, a model's folder or an ONNX file of `striate export`")
        return
    need("A model in an ONNX file", "export", ("onnxruntime",))
    if not Path(run).is_file():
        raise RunError(f"expected an ONNX file of `striate export`; there is no file {run}. Check the path.")
    if options.device not in ("cpu", "auto"):
        raise SettingError(f"expected device cpu or auto for an ONNX file; got {options.device}.")
