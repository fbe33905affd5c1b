"""What takes minutes: killed inference processes, hostile uploads, slow clients, and a long time under load.

Each image is one pixel, so that answers are known; the model is an ONNX file.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from support import hostile_uploads, onnx_files, own_loop
from support.http_load import Address, Client, Reply, closed_loop, for_seconds, open_loop, quantile
from support.ledger import EMBED, check, content
from support.serve_process import ServeProcess, serving

pytestmark = pytest.mark.soak
SECONDS = float(os.environ.get("STRIATE_SOAK_SECONDS", "60"))
MINUTES = int(os.environ.get("STRIATE_SOAK_MINUTES", "20"))


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_files.write(tmp_path_factory.mktemp("soak") / "m.onnx")


def p99_ms(replies: list[tuple[int, Reply]]) -> float:
    return 1000 * quantile([reply.seconds for _, reply in replies if reply.status == 200], 0.99)


async def killed(server: ServeProcess, kills: int, with_spare: bool) -> tuple[list[tuple[int, Reply]], list[float]]:
    """What clients were answered while the inference process was killed so often, and the seconds until the next answers.

    Each time once the spare has loaded the model, or at once.
    """
    end, seconds = asyncio.Event(), list[float]()
    replies: list[tuple[int, Reply]] = []
    load = asyncio.create_task(closed_loop(server.address, 4, content, end.is_set))
    probe = Client(server.address)
    metrics = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    while len(seconds) < kills:
        await asyncio.sleep(0.3)
        while with_spare and b"striate_inference_spare 1.0" not in (await probe.send(metrics)).body:
            await asyncio.sleep(0.1)
        worker = server.worker()
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        began = time.perf_counter()
        while True:
            number = 10**9 + len(replies)
            reply = await probe.send(content(number))
            replies.append((number, reply))
            if reply.status == 200 or b"again and again" in reply.body:
                break
            await asyncio.sleep(0.02)
        seconds.append(time.perf_counter() - began)
    end.set()
    probe.close()
    return replies + await load, seconds


@pytest.mark.parametrize("servers", [10])
def test_of_50_killed_processes_only_what_was_in_flight_is_refused(tmp_path: Path, onnx_model: Path, servers: int):
    times: dict[bool, list[float]] = {True: [], False: []}
    total = Counter[int]()
    for trial in range(servers):
        with serving(tmp_path / str(trial), onnx_model) as server:
            replies, seconds = own_loop.run(killed(server, 5, trial % 2 == 0))
            counts = check(replies, {200, 503})
            while sum(server.statuses(EMBED).values()) < len(replies):
                time.sleep(0.05)  # a line of the log is written after its response
            assert server.statuses(EMBED) == counts
            last = own_loop.run(closed_loop(server.address, 1, content, iter([False, True]).__next__))
            assert b"again and again" in last[0][1].body  # the fifth death within 60 s
            if trial == 0:
                time.sleep(float(last[0][1].headers["retry-after"]))
                last = own_loop.run(closed_loop(server.address, 1, content, iter([False, True]).__next__))
                assert last[0][1].status == 200
            times[trial % 2 == 0] += seconds[:4]
            total += counts
            assert server.stop() == 0
    print(f"{5 * servers} kills: {dict(total)}")
    for name, seconds in (("with a spare", times[True]), ("killed before there was one again", times[False])):
        print(f"{name}: next answer after {np.median(seconds):.2f} s, at most {max(seconds):.2f} s")


def test_hostile_uploads_take_no_more_memory_than_the_limits_say(tmp_path: Path, onnx_model: Path):
    uploads = [*hostile_uploads.cheap().values()] * 5 + [*hostile_uploads.dear().values()]
    with serving(tmp_path / "server", onnx_model, "--deadline", "5") as server:
        check(own_loop.run(closed_loop(server.address, 8, content, for_seconds(2))), {200})
        before = server.rss_mb()
        sending = closed_loop(server.address, 8, lambda number: uploads[number % len(uploads)], for_seconds(SECONDS))
        replies = own_loop.run(sending)
        peak = server.rss_mb(peak=True)
        check(own_loop.run(closed_loop(server.address, 4, content, for_seconds(5))), {200})
        after = server.rss_mb()
        counts = Counter(reply.status for _, reply in replies)
        print(f"{len(replies)} uploads: {dict(counts)}")
        for role in ("server", "inference", "decoder"):
            print(f"{role}: {before[role]:.0f} MiB before, {peak[role]:.0f} at most, {after[role]:.0f} after")
        assert set(counts) <= {200, 400, 413, 422, 429, 503}
        assert peak["server"] < before["server"] + 8 * 3 * 10 + 32  # 8 requests of 10 MiB; the parts, the form, the file
        assert after["server"] < before["server"] + 64
        assert peak["decoder"] < before["decoder"] + 1536
        assert not list((tmp_path / "server" / "temporary").iterdir())
        assert server.stop() == 0


async def slow_clients(address: Address, end: asyncio.Event) -> None:
    """200 connections whose headers never end, 100 that send their body byte by byte, 100 that closed their side."""
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
    body = head + b"Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    streams = [await asyncio.open_connection(*address) for _ in range(400)]
    for number, (_, writer) in enumerate(streams):
        writer.write(head + b"X-Slow: a" if number < 200 else body)
        if number >= 300:
            writer.write_eof()
    while not end.is_set():
        for _, writer in streams[:300]:
            if not writer.is_closing():
                writer.write(b"a")
        await asyncio.sleep(1)
    for _, writer in streams:
        writer.close()


def test_beside_400_slow_clients_others_are_answered(tmp_path: Path, onnx_model: Path):
    with serving(tmp_path / "server", onnx_model) as server:

        async def story(slow: bool) -> list[tuple[int, Reply]]:
            end = asyncio.Event()
            others = asyncio.create_task(slow_clients(server.address, end)) if slow else None
            await asyncio.sleep(1)
            replies = await closed_loop(server.address, 4, content, for_seconds(min(SECONDS, 15)))
            end.set()
            if others is not None:
                await others
            return replies

        alone, beside = own_loop.run(story(False)), own_loop.run(story(True))
        check(alone, {200})
        check(beside, {200})
        print(f"p99 alone {p99_ms(alone):.0f} ms of {len(alone)} answers")
        print(f"p99 beside 400 slow clients {p99_ms(beside):.0f} ms of {len(beside)} answers")
        assert server.stop() == 0


def test_a_long_time_under_load_leaves_memory_files_and_threads_as_they_were(tmp_path: Path, onnx_model: Path):
    hostile = list(hostile_uploads.cheap().values())

    def mixed(number: int) -> bytes:
        return hostile[number // 20 % len(hostile)] if number % 20 == 19 else content(number)

    minutes: list[tuple[float, int, int]] = []
    with serving(tmp_path / "server", onnx_model, "--queue", "16", "--deadline", "300") as server:
        replies = own_loop.run(closed_loop(server.address, 8, content, for_seconds(5)))
        rate, total = 0.7 * len(replies) / 5, Counter[int]()
        for _ in range(MINUTES):
            replies = own_loop.run(open_loop(server.address, rate, 60, mixed))
            total += check([each for each in replies if each[0] % 20 != 19], {200, 429})
            statuses = {reply.status for number, reply in replies if number % 20 == 19}
            assert statuses <= {400, 408, 413, 422, 429}
            time.sleep(0.5)
            assert not list((tmp_path / "server" / "temporary").iterdir())
            minutes.append((server.rss_mb()["server"], server.open_files(), server.threads()))
            print(f"minute {len(minutes)}: {minutes[-1]}", flush=True)
        first, second = ([memory for memory, *_ in part] for part in (minutes[: MINUTES // 2], minutes[MINUTES // 2 :]))
        print(f"{MINUTES} min at {rate:.0f}/s: {dict(total)}")
        print(f"at most {max(first):.0f} MiB in the first half, {max(second):.0f} in the second, {second[-1]:.0f} at its end")
        assert len({files for _, files, _ in minutes[1:]}) == 1
        assert len({threads for *_, threads in minutes[1:]}) == 1
        assert second[-1] <= max(first) + 8  # an overload between leaves the heap larger for some minutes
        assert server.stop() == 0
