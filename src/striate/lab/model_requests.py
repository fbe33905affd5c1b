"""What requests about a model have in common: its image as it takes it, and a computation that no other disturbs."""

from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from striate.base.errors import SettingError
from striate.lab.images import Images
from striate.lab.models import Loaded, Models
from striate.lab.views import Json, as_json


async def pixels(images: Images, models: Models, given: Json) -> Any:
    """The image as the model takes it."""
    name = given.get("image")
    if not isinstance(name, str):
        raise SettingError("expected an image by its name; got something else.")
    spec = await run_in_threadpool(_locked, models, given.get("model"), lambda loaded: loaded.model.input_spec)
    return (await images.decode(name, spec)).copy()  # what torch takes must be writable


async def computed(models: Models, name: Any, compute: Callable[[Loaded], Json]) -> Response:
    """What a function computes of a model that is loaded, as JSON; in a thread, one at a time of each model."""
    return JSONResponse(as_json(await run_in_threadpool(_locked, models, name, compute)))


def _locked(models: Models, name: Any, compute: Callable[[Loaded], Any]) -> Any:
    with models.lock:
        loaded = models.load(name)
    with loaded.lock:
        return compute(loaded)
