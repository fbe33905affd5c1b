"""The routes of the server, and the layers around them: log, who may ask, an orderly refusal."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp

from striate._version import __version__
from striate.workflows import image_page
from striate.workflows.serve.access_log import AccessLog
from striate.workflows.serve.multipart import MOST_FILES
from striate.workflows.serve.options import ServeOptions
from striate.workflows.serve.refusal_handlers import add_refusals
from striate.workflows.serve.schemas import Embeddings, Failure, ModelFacts, Predictions, Status, Unreadable
from striate.workflows.serve.security import Security
from striate.workflows.serve.state import PLACE, Place, State, Verdict, Verdicts
from striate.workflows.serve.uploads import LingeringClose, read_uploads

_PAGE = Path(__file__).with_name("page")
_OPEN = ("/", "/page.js", "/page.css", "/icon.svg", "/live", "/ready")  # without the token: they say nothing of the model
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "array", "minItems": 1, "maxItems": MOST_FILES, "items": _BINARY["schema"]}},
}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": _FORM}, "application/octet-stream": _BINARY, "image/*": _BINARY},
    }
}
_SENTENCES = {
    400: "no form or image", 408: "the request came in too slowly", 413: "too large", 415: "no image's media type",
    429: "the queue is full; Retry-After says when to try again", 503: "stopping, late, or the inference process died",
}  # fmt: skip
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": text} for status, text in _SENTENCES.items()
}
_REFUSED_EVERYWHERE = {401: "no token", 403: "another page's request", 404: "no path", 405: "no method", 421: "no host"}
_EVERYWHERE: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": text} for status, text in _REFUSED_EVERYWHERE.items()
}


def build_app(state: Callable[[], State], options: ServeOptions) -> FastAPI:
    """The application; `state` gives what it works with while it runs."""
    app = FastAPI(
        title="striate", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False, responses=_EVERYWHERE
    )
    _add_status(app, state)
    _add_page(app)
    _add_images(app, state, options)
    add_refusals(app)
    return app


def with_layers(app: FastAPI, state: State, options: ServeOptions, write_log: Callable[[dict[str, Any]], None]) -> ASGIApp:
    """The application as it meets the network."""
    return AccessLog(LingeringClose(Security(app, options, _OPEN.__contains__)), state.metrics, write_log)


def _add_status(app: FastAPI, state: Callable[[], State]) -> None:
    @app.get("/live", response_model=Status)
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", response_model=Status, responses={503: {"model": Status}})
    async def ready() -> Response:
        reason = state().not_ready()
        return JSONResponse({"status": reason or "ready"}, 503 if reason else 200)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        return Response(state().metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/model", response_model=ModelFacts)
    async def model() -> Response:
        facts = state().described()
        return JSONResponse(facts, headers={"X-Model-Sha256": facts["sha256"]})


def _add_page(app: FastAPI) -> None:
    kinds = {"index.html": "text/html", "page.js": "text/javascript", **image_page.KINDS}
    for name, content in image_page.files(_PAGE).items():
        response = _file(content, f"{kinds[name]}; charset=utf-8")
        app.add_api_route("/" if name == "index.html" else f"/{name}", response, include_in_schema=False)


def _file(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def response() -> Response:
        return Response(content, media_type=media_type)

    return response


def _add_images(app: FastAPI, state: Callable[[], State], options: ServeOptions) -> None:
    async def verdicts_of(request: Request) -> Verdicts:
        current = state()
        place: Place | None = request.scope.get(PLACE)
        if place is None:
            current.check_open()
        with current.budget.share() as share:
            uploads = await read_uploads(request, options.max_bytes, share)
            with place or current.take_place():
                verdicts = await current.answer(uploads)
        request.scope["striate"] = {"images": len(verdicts.files), "model": verdicts.sha256[:12]}
        return verdicts

    @app.post(
        "/v1/predict", response_model=Predictions, openapi_extra=_UPLOAD, responses={**_REFUSED, 422: {"model": Unreadable}}
    )
    async def predict(request: Request) -> Response:
        return _response(state(), await verdicts_of(request), "predictions", _prediction)

    @app.post("/v1/embed", response_model=Embeddings, openapi_extra=_UPLOAD, responses={**_REFUSED, 422: {"model": Unreadable}})
    async def embed(request: Request) -> Response:
        return _response(state(), await verdicts_of(request), "embeddings", _embedding)


def _response(state: State, verdicts: Verdicts, key: str, row: Callable[[Verdict], dict[str, Any]]) -> Response:
    """A row for each file; 422 where none of them can be decoded."""
    headers = {"X-Model-Sha256": verdicts.sha256}
    errors = [{"path": file.name, "error": file.error} for file in verdicts.files if file.error is not None]
    if len(errors) == len(verdicts.files):
        sentence = str(errors[0]["error"]) if len(errors) == 1 else f"none of the {len(errors)} files can be decoded."
        return JSONResponse({"error": sentence, "files": errors}, 422, headers)
    model = {"name": state.model.name, "sha256": verdicts.sha256}
    return JSONResponse({"model": model, key: [row(file) for file in verdicts.files]}, headers=headers)


def _prediction(file: Verdict) -> dict[str, Any]:
    return {"path": file.name, **({"error": file.error} if file.inferred is None else file.inferred.row)}


def _embedding(file: Verdict) -> dict[str, Any]:
    if file.inferred is None:
        return {"path": file.name, "error": file.error}
    return {"path": file.name, "embedding": [float(value) for value in file.inferred.embedding_D]}
