"""The ledger: each request has one answer or one refusal, the answer is its own, and log and metrics count the same."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from support import onnx_files
from support.http_load import CUT, Address, Reply, address_of, closed_loop, for_seconds, open_loop, quantile, request
from support.serve_process import ServeProcess, serving
from support.serving import MeanModel, png, running

EMBED = "/v1/embed"
LEVELS = [png(level) for level in range(256)]


def content(number: int) -> bytes:
    return request(LEVELS[number % 256], EMBED)


def check(replies: list[tuple[int, Reply]], allowed: set[int]) -> Counter[int]:
    """Each reply is one of the allowed, an answer is that to its own image, a refusal says when to come again."""
    for number, reply in replies:
        assert reply.status in allowed, reply
        if reply.status == 200:
            assert f'"embedding":[{number % 256}.0]'.encode() in reply.body
        elif reply.status != CUT:
            assert int(reply.headers["retry-after"]) >= 1
            assert b'"error"' in reply.body
    numbers = [number for number, _ in replies]
    assert len(set(numbers)) == len(numbers)
    return Counter(reply.status for _, reply in replies)


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

        counts = check(asyncio.run(story()), {200, 429})
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


async def told_to_stop(server: ServeProcess, clients: int, after: int) -> list[tuple[int, Reply]]:
    """Clients that ask one request after the other, until the server is gone; SIGTERM after so many answers."""
    answered = 0

    def until() -> bool:
        nonlocal answered
        answered += 1  # called before each request
        if answered == after:
            server.process.send_signal(signal.SIGTERM)
        return server.process.poll() is not None

    return await closed_loop(server.address, clients, content, until)


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.soak)])
def test_told_to_stop_under_load_it_loses_nothing_that_it_accepted(tmp_path: Path, onnx_model: Path, times: int):
    for trial in range(times):
        with serving(tmp_path / str(trial), onnx_model, "--queue", "8", "--batch", "4") as server:
            replies = asyncio.run(told_to_stop(server, 16, 60))
            assert server.process.wait(10) == 0
            counts = check(replies, {200, 429, 503, CUT})
            # What was cut never was a request: the log has an entry for each that was, and an answer was sent for each entry
            assert server.statuses(EMBED) == Counter({status: n for status, n in counts.items() if status != CUT})
            assert counts[200] > 0
            stopping = [reply.body for _, reply in replies if reply.status == 503]
            assert all(b"this server is stopping" in body for body in stopping)
            # The address that it listens on; and no connection to anywhere, of it or of its children
            assert set(server.notes()) <= {"socket.getaddrinfo 127.0.0.1"}
            assert not list((tmp_path / str(trial) / "temporary").iterdir())


async def capacity(address: Address, clients: int, seconds: float) -> float:
    """Answers a second with so many clients."""
    replies = await closed_loop(address, clients, content, for_seconds(seconds))
    return sum(reply.status == 200 for _, reply in replies) / seconds


@pytest.mark.soak
@pytest.mark.parametrize("load", [0.5, 0.8, 1, 1.5, 2, 4])
def test_at_any_load_each_request_is_answered_once_or_refused_once(tmp_path: Path, onnx_model: Path, load: float):
    seconds = float(os.environ.get("STRIATE_SOAK_SECONDS", "60"))
    with serving(tmp_path / "server", onnx_model, "--queue", "16") as server:
        own = asyncio.run(capacity(server.address, 8, 3))
        before = server.rss_mb()
        replies = asyncio.run(open_loop(server.address, load * own, seconds, content))
        counts = check(replies, {200, 429})
        assert len(replies) == round(load * own * seconds)
        answered = [reply.seconds for _, reply in replies if reply.status == 200]
        print(f"load {load:g} x {own:.0f}/s: {dict(counts)}, p99 {1000 * quantile(answered, 0.99):.0f} ms")
        assert server.rss_mb() < before + 16 * 10 + 32
        assert server.stop() == 0
        assert sum(server.statuses(EMBED).values()) >= len(replies)


@pytest.mark.soak
def test_of_a_killed_process_only_what_was_in_flight_is_refused_and_after_five_it_is_left_alone(
    tmp_path: Path, onnx_model: Path
):
    with serving(tmp_path / "server", onnx_model) as server:
        kills = 0

        async def story() -> list[tuple[int, Reply]]:
            end = asyncio.Event()
            load = asyncio.create_task(closed_loop(server.address, 4, content, end.is_set))
            nonlocal kills
            while kills < 5:
                await asyncio.sleep(1)
                if (worker := server.worker()) is not None:
                    os.kill(worker, signal.SIGKILL)
                    kills += 1
            await asyncio.sleep(1)
            end.set()
            return await load

        counts = check(asyncio.run(story()), {200, 503})
        assert counts[200] > 0
        assert server.statuses(EMBED) == counts
        last = asyncio.run(closed_loop(server.address, 1, content, iter([False, True]).__next__))
        assert b"again and again" in last[0][1].body
        time.sleep(float(last[0][1].headers["retry-after"]))
        last = asyncio.run(closed_loop(server.address, 1, content, iter([False, True]).__next__))
        assert last[0][1].status == 200
