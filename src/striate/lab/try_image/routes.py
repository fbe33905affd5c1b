"""The routes of the page on which a model is asked about an image."""

from fastapi import FastAPI, Request
from fastapi.responses import Response

from striate.lab.images import Images
from striate.lab.model_requests import computed, pixels
from striate.lab.models import Models
from striate.lab.requests import read_object
from striate.lab.try_image import evidence, neighbors, prediction


def add_routes(app: FastAPI, images: Images, models: Models) -> None:
    """Add them to the application."""

    @app.post("/api/try/predict")
    async def predict(request: Request) -> Response:
        given = await read_object(request)
        pixels_HWC = await pixels(images, models, given)
        return await computed(models, given.get("model"), lambda loaded: prediction.predict(loaded, pixels_HWC))

    @app.post("/api/try/evidence")
    async def explain(request: Request) -> Response:
        given = await read_object(request)
        pixels_HWC, (method, target) = await pixels(images, models, given), (given.get("method"), given.get("target"))
        return await computed(models, given.get("model"), lambda loaded: evidence.evidence(loaded, pixels_HWC, method, target))

    @app.post("/api/try/neighbors")
    async def near(request: Request) -> Response:
        given = await read_object(request)
        pixels_HWC = await pixels(images, models, given)
        return await computed(models, given.get("model"), lambda loaded: neighbors.neighbors(loaded, pixels_HWC))
