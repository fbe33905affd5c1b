"""The API of the runs: all of them, one as it is now, its report, exports, comparisons, deletion."""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from striate.base.errors import SettingError
from striate.lab.options import LabOptions
from striate.lab.requests import read_object
from striate.lab.workbench import live
from striate.lab.workbench.queue import Job, Queue, resumed

Json = dict[str, Any]
# A report is one file with its styles and images in it; it has no scripts, and may run none
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups; frame-ancestors 'none'"
_EXPORTS = ("int8", "fp16", "any_size", "web")


def add_routes(app: FastAPI, queue: Queue, options: LabOptions) -> None:
    """Add the routes of the runs."""
    out = options.out

    @app.get("/api/workbench/runs/{name}")
    async def run(name: str) -> Response:
        return JSONResponse(await run_in_threadpool(_run, queue, out, name))

    @app.get("/api/workbench/runs/{name}/report")
    async def report(name: str) -> Response:
        content = await run_in_threadpool(lambda: live.content(live.folder_of(out, name), live.REPORT))
        return Response(content, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _REPORT_POLICY})

    @app.get("/api/workbench/runs/{name}/card")
    async def card(name: str) -> Response:
        content = await run_in_threadpool(lambda: live.content(live.folder_of(out, name), live.CARD))
        return Response(content, media_type="text/plain; charset=utf-8")

    @app.post("/api/workbench/runs/{name}/resume")
    async def resume(name: str) -> Response:
        await run_in_threadpool(_resume, queue, out, name)
        return JSONResponse(await run_in_threadpool(_run, queue, out, name))

    @app.post("/api/workbench/runs/{name}/export")
    async def export(request: Request, name: str) -> Response:
        job = await run_in_threadpool(_export, queue, out, name, await read_object(request))
        return JSONResponse({"id": job.id, "command": job.command})


def _run(queue: Queue, out: Path, name: str) -> Json:
    """A run and its command; one that waits has no folder yet."""
    job = queue.of_run(name)
    described = None if job is None else {**job._asdict(), "command": job.command}
    log = "" if job is None else queue.log(job.id)
    if job is not None and not (out / name / "run.toml").is_file():
        return {"name": name, "job": described, "log": log, "waits": True}
    return {**live.state(out, name), "job": described, "log": log, "waits": False}


def _resume(queue: Queue, out: Path, name: str) -> None:
    """Resume a run, also one that was begun in a terminal."""
    live.folder_of(out, name)
    job = queue.of_run(name)
    if job is not None and job.state != "done":
        queue.resume(job.id)
    else:
        queue.add(name, resumed("train", name, out))


def _export(queue: Queue, out: Path, name: str, given: Json) -> Job:
    folder = live.folder_of(out, name)
    wanted = given.get("options") or []
    if not isinstance(wanted, list) or not set(map(str, wanted)) <= {*_EXPORTS}:
        raise SettingError(f"expected options of {', '.join(_EXPORTS)}; got {str(wanted)[:100]}.")
    flags = [f"--{option.replace('_', '-')}" for option in _EXPORTS if option in wanted]
    return queue.add(name, ("export", os.fspath(folder), *flags, "--json"))
