"""The ledger: each request has one answer or one refusal, the answer is its own, and log and metrics count the same."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from support import onnx_files, own_loop, pinned_load
from support.http_load import CUT, Client, Reply, address_of, closed_loop, open_loop, quantile
from support.ledger import EMBED, check, content
from support.serve_process import ServeProcess, serving
from support.serving import MeanModel, running

_GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_of_60_requests_at_once_as_many_are_answered_as_the_queue_holds_and_all_others_refused():
    model = MeanModel()
    with running(model, queue=4, batch=3, deadline=600) as server:
        model.open.clear()
        address = address_of(server.url)

        async def story() -> list[tuple[int, Reply]]:
            sending = asyncio.create_task(open_loop(address, 10_000, 0.006, content))
            while 'status="429"} 56.0' not in (await asyncio.to_thread(server.client.get, "/metrics")).text:
                await asyncio.sleep(0.01)
            model.open.set()
            return await sending

        counts = check(own_loop.run(story()), {200, 429})
        assert counts == {200: 4, 429: 56}
        while len(noted := [entry["status"] for entry in server.log if entry["path"] == EMBED]) < 60:
            time.sleep(0.01)  # written after the response
        assert Counter(noted) == counts
        text = server.client.get("/metrics").text
        assert f'striate_requests_total{{route="{EMBED}",status="200"}} 4.0' in text
        assert 'striate_images_total{outcome="answered"} 4.0' in text
        assert "striate_accepted_requests 0.0" in text
        assert server.server.state.budget._left == 4 * 10 * 2**20


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_files.write(tmp_path_factory.mktemp("ledger") / "m.onnx")


async def told_to_stop(server: ServeProcess, clients: int, after: int) -> tuple[list[tuple[int, Reply]], float]:
    """Clients that ask one request after the other, until the server is gone; SIGTERM after so many answers.

    And the seconds until /ready said that it stops; /live is 200 until the end.
    """
    answered, told = 0, asyncio.Event()

    def until() -> bool:
        nonlocal answered
        answered += 1  # called before each request
        if answered == after:
            server.process.send_signal(signal.SIGTERM)
            told.set()
        return server.process.poll() is not None

    async def probe() -> float:
        client, stopping = Client(server.address), 0.0
        assert (await client.send(_GET % b"/ready")).status == 200
        await told.wait()
        began = time.perf_counter()
        while (ready := await client.send(_GET % b"/ready")).status != CUT:
            if ready.status == 503:
                stopping = stopping or time.perf_counter() - began
            assert (await client.send(_GET % b"/live")).status in (200, CUT)
            await asyncio.sleep(0.01)
        client.close()
        assert stopping > 0
        return stopping

    probing = asyncio.create_task(probe())
    return await closed_loop(server.address, clients, content, until), await probing


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.soak)])
def test_told_to_stop_under_load_it_loses_nothing_that_it_accepted(tmp_path: Path, onnx_model: Path, times: int):
    seconds = []
    for trial in range(times):
        with serving(tmp_path / str(trial), onnx_model, "--queue", "8", "--batch", "4") as server:
            replies, stopping = own_loop.run(told_to_stop(server, 16, 60))
            assert server.process.wait(10) == 0
            seconds.append(stopping)
            counts = check(replies, {200, 429, 503, CUT})
            # What was cut never was a request: the log has an entry for each that was, and an answer was sent for each entry
            assert server.statuses(EMBED) == Counter({status: n for status, n in counts.items() if status != CUT})
            assert counts[200] > 0
            stopping = [reply.body for _, reply in replies if reply.status == 503]
            assert all(b"this server is stopping" in body for body in stopping)
            # The address that it listens on; and no connection to anywhere, of it or of its children
            assert set(server.notes()) <= {"socket.getaddrinfo 127.0.0.1"}
            assert not list((tmp_path / str(trial) / "temporary").iterdir())
    print(f"{times} drains; /ready said so after {1000 * median(seconds):.0f} ms, at most {1000 * max(seconds):.0f} ms")


def answers_of(replies: list[tuple[int, Reply]], status: int) -> list[float]:
    """The seconds of those of a status."""
    return [reply.seconds for _, reply in replies if reply.status == status]


def capacity_of(server: ServeProcess) -> float:
    """Answers a second for as many clients as the queue holds."""
    return len(pinned_load.load(server, "clients", 15, 4)) / 4


@pytest.mark.soak
@pytest.mark.parametrize("load", [0.5, 0.8, 1, 1.5, 2, 4])
def test_at_any_load_each_request_is_answered_once_or_refused_once(tmp_path: Path, onnx_model: Path, load: float):
    seconds = float(os.environ.get("STRIATE_SOAK_SECONDS", "60"))
    with serving(tmp_path / "server", onnx_model, "--queue", "16", "--deadline", "300", cores=(0,)) as server:
        while "inference" not in Counter(server.processes().values()) - Counter(["inference"]):
            time.sleep(0.1)  # the spare, whose start would be taken for work
        time.sleep(3)
        capacity = capacity_of(server)
        before = server.rss_mb()["server"]
        replies = pinned_load.load(server, "rate", load * capacity, seconds)
        counts = check(replies, {200, 429})
        assert len(replies) == round(load * capacity * seconds)
        answered, refused = answers_of(replies, 200), answers_of(replies, 429)
        print(f"{load:g} x {capacity:.0f} a second of processor time, {capacity_of(server):.0f} after it: {dict(counts)}")
        print(f"{len(answered) / seconds:.0f} answers/s, p99 {1000 * quantile(answered, 0.99):.0f} ms; ", end="")
        print(f"p99 of refusals {1000 * quantile(refused, 0.99):.0f} ms")
        assert server.rss_mb(peak=True)["server"] < before + 16 * 10 + 32
        assert server.stop() == 0
        assert sum(server.statuses(EMBED).values()) >= len(replies)
