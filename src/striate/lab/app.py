"""The routes of the lab: pages, their files, and the API behind them."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from striate._version import __version__
from striate.base.errors import StriateError
from striate.lab import lesson_api, pages
from striate.lab.images import Images
from striate.lab.images import drawing as image_drawing
from striate.lab.layers import routes as layer_routes
from striate.lab.models import Models
from striate.lab.options import LabOptions
from striate.lab.requests import language_of, read_object
from striate.lab.try_image import routes as try_routes
from striate.lab.workbench import api as workbench
from striate.lab.workbench.queue import Queue
from striate.workflows.serve.refusal_handlers import add_refusals
from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.security import Security
from striate.workflows.serve.uploads import ByteBudget, LingeringClose, read_uploads

_HTML = "text/html; charset=utf-8"
_PAINT_SECONDS = 1.0  # in which a browser has a page and its files: an import beside them would slow these


def build_app(options: LabOptions) -> FastAPI:
    """The application."""
    images, queue = Images(), Queue(options.out)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(queue.open)
        yield
        await run_in_threadpool(queue.close)
        await run_in_threadpool(lesson_api.close)
        images.close()

    app = FastAPI(
        title="striate lab", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
        redirect_slashes=False,
    )  # fmt: skip
    _add_pages(app)
    _add_images(app, images, options)
    _add_lessons(app, images)
    workbench.add_routes(app, queue, options)
    models = Models(options.out)
    layer_routes.add_routes(app, images, models)
    try_routes.add_routes(app, images, models)
    _add_missing(app)
    _add_mistakes(app)
    return app


def with_layers(app: FastAPI, options: LabOptions) -> ASGIApp:
    """The application as it meets the network: pages and their files hold no data, all else needs the token."""
    return LingeringClose(Security(app, options, lambda path: not path.startswith("/api/")))


def html(request: Request, page: Callable[[str], str]) -> Response:
    """A page in the language of the request; where what it is of is not there, one that says so."""
    language = language_of(request)
    _warm_up()
    try:
        return Response(page(language), media_type=_HTML)
    except StriateError as error:
        return missing(language, str(error))


def missing(language: str, sentence: str = "") -> Response:
    """The page in place of one that is not there."""
    return Response(pages.render(pages.MISSING, language, sentence=sentence), 404, media_type=_HTML)


def _add_pages(app: FastAPI) -> None:
    @app.get("/")
    async def start(request: Request) -> Response:
        wanted = request.headers.get("accept-language", "").lower()
        return RedirectResponse("/zh/" if wanted.startswith("zh") else "/en/", 307)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        content, kind = pages.static_files().get(name) or _nothing()
        return Response(content, media_type=kind)

    @app.get("/{language}/")
    async def home(request: Request) -> Response:
        return html(request, lambda language: pages.render(pages.PAGES[0], language))

    @app.get("/{language}/lessons/{name}")
    async def lesson(request: Request, name: str) -> Response:
        return html(request, lambda language: pages.render_lesson(name, language))

    for page in (*pages.PAGES, *pages.OTHERS):
        app.add_api_route(f"/{{language}}/{page.path}", _page(page))


def _add_missing(app: FastAPI) -> None:
    """Add what is shown at addresses that no other route has."""

    @app.get("/{language}/{rest:path}")
    async def other(request: Request) -> Response:
        return missing(language_of(request))


@cache
def _warm_up() -> None:
    """Import torch, for which the first computation would wait, once the first page has been drawn."""

    def load() -> None:
        import torch

        torch.zeros(1)

    timer = threading.Timer(_PAINT_SECONDS, load)
    timer.daemon = True
    timer.start()


def _page(page: pages.Page) -> Callable[[Request], Response]:
    def response(request: Request) -> Response:
        return html(request, lambda language: pages.render(page, language))

    return response


def _nothing() -> Any:
    raise Refusal(404, "there is nothing here.")


def _add_images(app: FastAPI, images: Images, options: LabOptions) -> None:
    budget = ByteBudget(4 * options.max_bytes)

    @app.post("/api/images")
    async def send(request: Request) -> Response:
        with budget.share() as share:
            uploads = await read_uploads(request, options.max_bytes, share)
        name = images.add(uploads[0].content)
        await images.decode(name)  # what is no image is refused here
        return JSONResponse({"id": name})

    @app.get("/api/images/{name}")
    async def image(name: str) -> Response:
        return Response(images.content(name), media_type="application/octet-stream")

    @app.get("/api/drawings/{sample}/{side}")
    async def drawing(sample: str, side: int) -> Response:
        return JSONResponse({"rows": await run_in_threadpool(image_drawing, sample, side)})


def _add_lessons(app: FastAPI, images: Images) -> None:
    @app.post("/api/{language}/lessons/{name}")
    async def views(request: Request, name: str) -> Response:
        values = lesson_api.values(name, await read_object(request))
        for control in lesson_api.image_controls(name):
            values[control] = await images.decode(values[control])
        return JSONResponse(await run_in_threadpool(lesson_api.answer, name, language_of(request), values))

    @app.post("/api/{language}/lessons/{name}/exercises/{exercise}")
    async def judge(request: Request, name: str, exercise: str) -> Response:
        given = (await read_object(request)).get("answer")
        return JSONResponse(await run_in_threadpool(lesson_api.judge, name, language_of(request), exercise, given))


def _add_mistakes(app: FastAPI) -> None:
    add_refusals(app)

    @app.exception_handler(StriateError)
    async def mistaken(_request: Request, error: StriateError) -> Response:
        return JSONResponse({"error": str(error)}, 422)
