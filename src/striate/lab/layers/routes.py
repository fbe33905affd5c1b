"""The routes of the page that follows an image through a network."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from striate.lab.images import Images
from striate.lab.layers import maps, outline, passes, unit, verdicts
from striate.lab.model_requests import computed, pixels
from striate.lab.models import Loaded, Models
from striate.lab.requests import language_of, read_object
from striate.lab.texts import Texts
from striate.lab.views import Json


def add_routes(app: FastAPI, images: Images, models: Models) -> None:
    """Add them to the application."""

    @app.get("/api/models")
    async def choices() -> Response:
        listed = await run_in_threadpool(models.choices)
        return JSONResponse({"models": [choice._asdict() for choice in listed]})

    @app.post("/api/layers/network")
    async def network(request: Request) -> Response:
        given = await read_object(request)
        return await computed(models, given.get("model"), outline.network)

    @app.post("/api/layers/layer")
    async def layer(request: Request) -> Response:
        given = await read_object(request)
        pixels_HWC = await pixels(images, models, given)
        return await computed(models, given.get("model"), lambda loaded: _layer(loaded, pixels_HWC, given))

    @app.post("/api/{language}/layers/unit")
    async def one_unit(request: Request) -> Response:
        given, say = await read_object(request), Texts("layers", language_of(request))
        pixels_HWC = await pixels(images, models, given)
        return await computed(models, given.get("model"), lambda loaded: _unit(loaded, pixels_HWC, given, say))

    @app.post("/api/layers/verdicts")
    async def judged(request: Request) -> Response:
        given = await read_object(request)
        return await computed(models, given.get("model"), lambda loaded: verdicts.verdicts(loaded, _row(loaded, given).name))


def _row(loaded: Loaded, given: Json) -> Any:
    return passes.check_layer({row.name: row for row in outline.rows_of(loaded)}, given.get("layer"))


def _passed(loaded: Loaded, pixels_HWC: Any, given: Json) -> passes.Pass:
    return passes.run(loaded, pixels_HWC, passes.check_ablated(loaded, given.get("ablated", {})))


def _layer(loaded: Loaded, pixels_HWC: Any, given: Json) -> Json:
    row, first = _row(loaded, given), given.get("first", 0)
    passes.check_unit(row, first)
    before, passed = passes.run(loaded, pixels_HWC, {}), _passed(loaded, pixels_HWC, given)
    answer = passes.answer(loaded, before, None if passed is before else passed)
    shown = maps.layer(loaded, passed, row.name, first - first % maps.SHOWN)
    return {**shown, "answer": answer, "pixels": pixels_HWC}


def _unit(loaded: Loaded, pixels_HWC: Any, given: Json, say: Texts) -> Json:
    row = _row(loaded, given)
    number = passes.check_unit(row, given.get("unit"))
    at = maps.place_of(row.output, given.get("row", 0), given.get("column", 0))
    return unit.unit(loaded, _passed(loaded, pixels_HWC, given), (row.name, number, *at), say)
