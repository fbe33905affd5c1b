"""The server of the lab: how it ends."""

import contextlib
from collections.abc import Generator

import uvicorn

from striate.lab.app import build_app, with_layers
from striate.lab.options import LabOptions
from striate.workflows.serve.loop_signals import handled_in_loop


class Server(uvicorn.Server):
    """Ends at SIGTERM or SIGINT, after what it is answering; at the second at once."""

    def __init__(self, options: LabOptions) -> None:
        app = build_app(options)
        super().__init__(
            uvicorn.Config(
                with_layers(app, options), interface="asgi3", http="h11", ws="none", loop="asyncio", lifespan="on",
                log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=2,
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals as the class says."""
        with handled_in_loop({"SIGTERM": self._stop, "SIGINT": self._stop}):
            yield

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
