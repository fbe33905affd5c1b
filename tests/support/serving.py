"""A server in a thread of the test's process: with a model that computes nothing, or with a real one in its process."""

import asyncio
import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, cast

import httpx
import numpy as np
from PIL import Image

from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.workflows.serve import state
from striate.workflows.serve.listening import listen
from striate.workflows.serve.loaded_model import Circuit, Inferred, LoadedModel
from striate.workflows.serve.model_files import Fingerprint
from striate.workflows.serve.options import ServeOptions
from striate.workflows.serve.server import Server

state._MOST_DECODERS = 1  # each takes half a second to start


class MeanModel:
    """Says of an image how bright it is: label `dark` below 128, else `light`; no process behind it."""

    run, name, device, sha256, process_id, spare_id = "mean", "mean", "cpu", "ab" * 32, None, None
    input_spec = InputSpec(2, 1, "squash")

    def __init__(self) -> None:
        self.circuit, self.deaths, self.replaced = Circuit(), 0, False
        self.open = threading.Event()  # cleared, batches wait
        self.open.set()
        self.batches: list[int] = []
        self.description = {
            "sha256": self.sha256, "net": "mean", "classes": ["dark", "light"], "license": "", "precision": "fp32",
            "threshold": None,
            "coverage": None, "abstains": False, "flags_unknown": False, "several_labels": False, "embedding_size": 1,
        }  # fmt: skip

    def load(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def infer(self, pixels_NHWC: Pixels) -> list[Inferred]:
        while not self.open.is_set():
            await asyncio.sleep(0.005)
        self.batches.append(len(pixels_NHWC))
        means_N = pixels_NHWC.reshape(len(pixels_NHWC), -1).mean(axis=1)
        return [Inferred({"label": "light" if mean >= 128 else "dark"}, np.array([mean], np.float32)) for mean in means_N]


class Running:
    """A server that runs, its client, and what it logged."""

    def __init__(self, server: Server, url: str, log: list[dict[str, Any]]) -> None:
        self.server, self.url, self.log = server, url, log
        self.client = httpx.Client(base_url=url, timeout=60)
        self.loop: asyncio.AbstractEventLoop = cast(Any, None)

    def do(self, work: Any) -> Any:
        """Call a function in the server's event loop."""
        done: Future[Any] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(work()))
        return done.result(60)


@contextmanager
def running(model: MeanModel | LoadedModel, seen: Fingerprint | None = None, **options: Any) -> Iterator[Running]:
    """A server for the block; without a spare process, where none is asked for."""
    log: list[dict[str, Any]] = []
    listening = listen("127.0.0.1", 0)
    server = Server(cast(LoadedModel, model), ServeOptions(**{"spare": False} | options), log.append, seen)
    served = Running(server, f"http://127.0.0.1:{listening.getsockname()[1]}", log)
    ready = threading.Event()

    async def work() -> None:
        served.loop = asyncio.get_running_loop()
        served.loop.call_later(0, ready.set)
        await server.serve([listening])

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        assert ready.wait(60)
        assert served.client.get("/live").status_code in (200, 401, 421)
        yield served
    finally:
        served.client.close()
        server.should_exit = True
        thread.join()


def png(level: int, mode: str = "L", size: tuple[int, int] = (4, 3)) -> bytes:
    """An image of one level."""
    return encoded(Image.new(mode, size, level if mode == "L" else (level,) * len(mode)))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
