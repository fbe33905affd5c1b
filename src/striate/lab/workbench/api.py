"""The API of the workbench: the queue."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from striate.base.errors import SettingError
from striate.lab.options import LabOptions
from striate.lab.requests import read_object
from striate.lab.workbench import commands
from striate.lab.workbench.queue import Job, Queue

Json = dict[str, Any]
_CHANGES = ("stop", "resume", "remove")


def add_routes(app: FastAPI, queue: Queue, options: LabOptions) -> None:
    """Add the routes of the queue."""

    @app.get("/api/workbench/queue")
    async def jobs() -> Response:
        return JSONResponse(await run_in_threadpool(lambda: {"jobs": [described(job) for job in queue.jobs()]}))

    @app.post("/api/workbench/queue")
    async def add(request: Request) -> Response:
        return JSONResponse(described(await run_in_threadpool(add_training, queue, options, await read_object(request))))

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


def described(job: Job) -> Json:
    """A command as the pages are given it."""
    return {**job._asdict(), "kind": job.arguments[0], "command": job.command}


def add_training(queue: Queue, options: LabOptions, given: Json) -> Job:
    """Add a training to the queue, `{"data": ..., "settings": {...}, "name": ..., "report": true}`."""
    asking = commands.wish(options.root, options.out, given)
    name = given.get("name") or commands.fresh_name(options.out, asking, frozenset(job.run for job in queue.jobs()))
    if not isinstance(name, str):
        raise SettingError(f"expected the run's name as text; got {type(name).__name__}.")
    commands.check_training(options.out, asking, name)
    return queue.add(name, commands.training(options.out, asking, name, given.get("report") is not False))
