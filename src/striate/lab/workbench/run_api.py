"""The API of the runs: all of them, one as it is now, its report, exports, comparisons, deletion."""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from striate.base.errors import RunError, SettingError
from striate.lab.options import LabOptions
from striate.lab.requests import read_object
from striate.lab.workbench import live
from striate.lab.workbench.comparison import compared
from striate.lab.workbench.one_time_links import FOLDER, OneTimeLinks, Shown
from striate.lab.workbench.queue import LIVE, TRAININGS, Job, Queue, resumed
from striate.workflows import run_table

Json = dict[str, Any]
# A report is one file with its styles and images in it; it has no scripts, and may run none
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups; frame-ancestors 'none'"
_EXPORTS = ("int8", "fp16", "any_size", "web")


def add_routes(app: FastAPI, queue: Queue, options: LabOptions) -> None:
    """Add the routes of the runs."""
    out = options.out
    _add_files(app, out)

    @app.get("/api/workbench/runs")
    async def runs() -> Response:
        return JSONResponse({"runs": await run_in_threadpool(_runs, queue, out)})

    @app.post("/api/workbench/compare")
    async def compare(request: Request) -> Response:
        given = await read_object(request)
        return JSONResponse(await run_in_threadpool(compared, out, str(given.get("a")), str(given.get("b"))))

    @app.get("/api/workbench/runs/{name}")
    async def run(name: str) -> Response:
        return JSONResponse(await run_in_threadpool(_run, queue, out, name))

    @app.post("/api/workbench/runs/{name}/resume")
    async def resume(name: str) -> Response:
        await run_in_threadpool(_resume, queue, out, name)
        return JSONResponse(await run_in_threadpool(_run, queue, out, name))

    @app.post("/api/workbench/runs/{name}/delete")
    async def delete(request: Request, name: str) -> Response:
        await run_in_threadpool(_delete, queue, out, name, (await read_object(request)).get("confirm"))
        return await runs()

    @app.post("/api/workbench/runs/{name}/export")
    async def export(request: Request, name: str) -> Response:
        job = await run_in_threadpool(_export, queue, out, name, await read_object(request))
        return JSONResponse({"id": job.id, "command": job.command})

    @app.post("/api/workbench/runs/{name}/write-report")
    async def write_report(name: str) -> Response:
        job = await run_in_threadpool(lambda: queue.add(name, ("report", os.fspath(live.folder_of(out, name)), "--json")))
        return JSONResponse({"id": job.id, "command": job.command})


def _add_files(app: FastAPI, out: Path) -> None:
    """Add the routes of the files that a run's page links to; by one-time links where the server asks for a token."""
    links = OneTimeLinks()

    def shown(name: str, file: str) -> Shown:
        folder = live.folder_of(out, name)
        if file == "report":
            policy = {"Content-Security-Policy": _REPORT_POLICY}
            return Shown(lambda: live.content(folder, live.REPORT), "text/html; charset=utf-8", policy)
        return Shown(lambda: live.content(folder, live.CARD), "text/plain; charset=utf-8", {})

    async def response(of_file: Shown) -> Response:
        content = await run_in_threadpool(of_file.read)
        return Response(content, media_type=of_file.media_type, headers=dict(of_file.headers))

    def add(file: str) -> None:
        @app.get(f"/api/workbench/runs/{{name}}/{file}")
        async def direct(name: str) -> Response:
            return await response(shown(name, file))

        @app.post(f"/api/workbench/runs/{{name}}/{file}")
        async def link(name: str) -> Response:
            return JSONResponse({"url": links.add(shown(name, file))})

    @app.get(f"{FOLDER}/{{key}}")
    async def once(key: str) -> Response:
        return await response(links.take(key))

    for file in ("report", "card"):
        add(file)


def _run(queue: Queue, out: Path, name: str) -> Json:
    """A run and its command; one that waits has no folder yet."""
    job = queue.of_run(name)
    described = None if job is None else {**job._asdict(), "command": job.command}
    log = "" if job is None else queue.log(job.id)
    if job is not None and not (out / name / "run.toml").is_file():
        return {"name": name, "job": described, "log": log, "waits": True}
    return {**live.state(out, name), "job": described, "log": log, "waits": False}


def _runs(queue: Queue, out: Path) -> list[Json]:
    """All runs, with the state that the queue has of them."""
    states = {job.run: job.state for job in queue.jobs() if job.arguments[0] in TRAININGS and job.state in LIVE}
    rows = run_table.list_runs(out, sort="began")
    return [{**row._asdict(), "state": states.get(row.name, row.state)} for row in reversed(rows)]


def _delete(queue: Queue, out: Path, name: str, confirmed: Any) -> None:
    """Delete a run for good, where the request names it once more; its commands leave the queue."""
    live.folder_of(out, name)
    if confirmed != name:
        raise SettingError(f"expected confirm={name!r}, the run's name; got {str(confirmed)[:100]!r}. Nothing is deleted.")
    jobs = [job for job in queue.jobs() if job.run == name]
    if any(job.state in LIVE for job in jobs):
        raise RunError(f"a command of {name} runs or waits; stop it first. Nothing is deleted.")
    run_table.delete_runs(name, out=out)
    for job in jobs:
        queue.remove(job.id)


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
