"""The API of the workbench: folders, surveys, plans and the queue."""

import os
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from striate.base.errors import SettingError
from striate.lab.models import Models
from striate.lab.options import LabOptions
from striate.lab.requests import read_object
from striate.lab.workbench import commands, live, places, planning, reasons, run_api
from striate.lab.workbench.queue import Job, Queue
from striate.lab.workbench.surveys import Surveys
from striate.lab.workbench.surveys import thumbnails as class_thumbnails

Json = dict[str, Any]
_CHANGES = ("stop", "resume", "remove")


def add_routes(app: FastAPI, queue: Queue, options: LabOptions) -> None:
    """Add the routes of the workbench."""
    _add_data(app, options)
    _add_plans(app, queue, options)
    _add_queue(app, queue, options)
    run_api.add_routes(app, queue, options)


def _add_data(app: FastAPI, options: LabOptions) -> None:
    surveys = Surveys()

    @app.get("/api/workbench/start")
    async def start() -> Response:
        return JSONResponse(await run_in_threadpool(opened, options))

    @app.post("/api/workbench/folders")
    async def folders(request: Request) -> Response:
        path = (await read_object(request)).get("path")
        listing = await run_in_threadpool(places.listing, options.root, str(path or ""))
        return JSONResponse({**listing._asdict(), "root": options.root.resolve().name or "/"})

    @app.post("/api/workbench/survey")
    async def survey(request: Request) -> Response:
        given = await read_object(request)
        settings = {"path": await run_in_threadpool(places.data, options.root, given.get("data"))}
        return JSONResponse(await run_in_threadpool(surveys.ask, settings, given.get("again") is True))

    @app.post("/api/workbench/thumbnails")
    async def thumbnails(request: Request) -> Response:
        given = await read_object(request)
        settings = {"path": await run_in_threadpool(places.data, options.root, given.get("data"))}
        content = await run_in_threadpool(class_thumbnails, settings, str(given.get("class")))
        return Response(content, media_type="image/png")


def _add_plans(app: FastAPI, queue: Queue, options: LabOptions) -> None:
    @app.post("/api/workbench/plan")
    async def plan(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(planned, queue, options, await read_object(request)))


def _add_queue(app: FastAPI, queue: Queue, options: LabOptions) -> None:

    @app.get("/api/workbench/queue")
    async def jobs() -> Response:
        return JSONResponse(await run_in_threadpool(lambda: {"jobs": [described(queue, job) for job in queue.jobs()]}))

    @app.post("/api/workbench/queue")
    async def add(request: Request) -> Response:
        job = await run_in_threadpool(add_training, queue, options, await read_object(request))
        return JSONResponse(described(queue, job))

    @app.post("/api/workbench/queue/{id_}/{change}")
    async def change(id_: str, change: str) -> Response:
        if change not in _CHANGES:
            raise SettingError(f"expected {', '.join(_CHANGES)}; got {change[:40]!r}.")
        await run_in_threadpool(getattr(queue, change), id_)
        return await jobs()

    @app.get("/api/workbench/queue/{id_}/log")
    async def log(id_: str) -> Response:
        known = {job.id for job in await run_in_threadpool(queue.jobs)}
        return JSONResponse({"log": queue.log(id_) if id_ in known else ""})


def described(queue: Queue, job: Job) -> Json:
    """A command as the pages are given it, with the file that an export wrote."""
    kind = job.arguments[0]
    result = live.result_of(queue.printed(job.id)) if kind == "export" and job.state == "done" else None
    return {**job._asdict(), "kind": kind, "command": job.command, "file": None if result is None else result.get("onnx")}


def opened(options: LabOptions) -> Json:
    """What the page shows at first: networks to choose from, and the data or the run that the command named."""
    from striate.nets import catalogue

    models = Models(options.out).choices()
    runs = [os.fspath(options.out / model.label) for model in models if model.kind == "run"]
    return {
        "networks": [entry.name for entry in catalogue.CATALOGUE], "data": options.data, "run": options.run,
        "weights": [*(model.label for model in models if model.kind == "weights"), *runs],
    }  # fmt: skip


def planned(queue: Queue, options: LabOptions, given: Json) -> Json:
    """The plan of a training, and its command."""
    asking = commands.wish(options.root, options.out, given)
    plan = planning.plan(options.out, asking, given.get("timed") is True)
    plan["reasons"] = [reasons.in_language(reason, str(given.get("language") or "en"))._asdict() for reason in plan["reasons"]]
    name = _name(queue, options, given, asking, plan["net"] or plan["weights"].partition("@")[0])
    arguments = commands.training(options.out, asking, name, given.get("report") is not False)
    return {**plan, "name": name, "command": Job("", name, arguments).command}


def _name(queue: Queue, options: LabOptions, given: Json, asking: commands.Wish, net: str) -> str:
    name = given.get("name") or commands.fresh_name(options.out, asking.data, net, frozenset(job.run for job in queue.jobs()))
    if not isinstance(name, str):
        raise SettingError(f"expected the run's name as text; got {type(name).__name__}.")
    return name


def add_training(queue: Queue, options: LabOptions, given: Json) -> Job:
    """Add a training to the queue, `{"data": ..., "settings": {...}, "name": ..., "report": true}`."""
    asking = commands.wish(options.root, options.out, given)
    name = _name(queue, options, given, asking, "net")
    commands.check_training(options.out, asking, name)
    return queue.add(name, commands.training(options.out, asking, name, given.get("report") is not False))
