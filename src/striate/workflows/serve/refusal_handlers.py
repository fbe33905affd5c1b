"""How a refusal, a path that there is not and a fault become a response: a status with a sentence, as JSON."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from striate.workflows.serve.refusals import Refusal, internal_fault


def add_refusals(app: FastAPI) -> None:
    """Have an application answer what it cannot do with a sentence."""

    @app.exception_handler(Refusal)
    async def refused(_request: Request, refusal: Refusal) -> Response:
        return JSONResponse({"error": refusal.sentence}, refusal.status, refusal.headers)

    @app.exception_handler(Exception)
    async def fault(_request: Request, _error: Exception) -> Response:  # uvicorn logs it
        return JSONResponse({"error": internal_fault().sentence}, 500)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        sentence = f"{request.method} is not possible here." if error.status_code == 405 else "there is nothing here."
        return JSONResponse({"error": sentence}, error.status_code, dict(error.headers or {}))
