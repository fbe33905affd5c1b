"""What waits while a pass runs goes into the next one; nobody gets another's answer."""

import asyncio
from typing import Any

import numpy as np
import pytest

from striate.data.image_facts import Pixels
from striate.workflows.serve.batching import Batcher
from striate.workflows.serve.loaded_model import Circuit, Inferred
from striate.workflows.serve.refusals import Refusal
from support import own_loop


def image(value: int) -> Pixels:
    return np.full((1, 1, 1), value, np.uint8)


class Net:
    """Answers with the value of each image; a pass waits for `go`."""

    def __init__(self) -> None:
        self.go, self.batches, self.fail = asyncio.Event(), list[list[int]](), False

    async def infer(self, pixels_NHWC: Pixels) -> list[Inferred]:
        values = pixels_NHWC.ravel().tolist()
        self.batches.append(values)
        await self.go.wait()
        if self.fail:
            raise Refusal(503, "died", 1)
        return [Inferred({"label": str(value)}, np.zeros(1, np.float32)) for value in values]


def labels(answers: Any) -> list[str]:
    return [answer.row["label"] for answer in answers]


def test_batches_are_what_waits_and_answers_come_to_who_asked():
    async def story() -> None:
        net = Net()
        batcher = Batcher(net.infer, most=3)
        first = asyncio.create_task(batcher.submit([image(1)]))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(batcher.submit([image(10 * n), image(10 * n + 1)])) for n in (2, 3)]
        gone = asyncio.create_task(batcher.submit([image(99)]))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        net.go.set()
        assert [labels(answers) for answers in await asyncio.gather(first, *others)] == [["1"], ["20", "21"], ["30", "31"]]
        assert net.batches == [[1], [20, 21, 30], [31]]
        await batcher.close()

    own_loop.run(story())


def test_a_pass_that_fails_is_said_to_all_of_its_batch_and_to_no_other():
    async def story() -> None:
        net = Net()
        batcher = Batcher(net.infer, most=8)
        net.fail = True
        tasks = [asyncio.create_task(batcher.submit([image(n)])) for n in (1, 2)]
        await asyncio.sleep(0.01)
        net.go.set()
        with pytest.raises(Refusal, match="died"):
            await tasks[0]
        with pytest.raises(Refusal, match="died"):
            await tasks[1]
        net.fail = False
        assert labels(await batcher.submit([image(3)])) == ["3"]
        await batcher.close()

    own_loop.run(story())


def test_after_an_error_that_nobody_foresaw_the_next_batch_is_answered(caplog: pytest.LogCaptureFixture):
    async def story() -> None:
        outcomes = iter([KeyError("/secret/path"), [], [Inferred({"label": "x"}, np.zeros(1, np.float32))]])

        async def infer(pixels_NHWC: Pixels) -> list[Inferred]:
            if isinstance(outcome := next(outcomes), Exception):
                raise outcome
            return outcome

        batcher = Batcher(infer, most=8)
        for _ in range(2):
            with pytest.raises(Refusal) as refused:
                await batcher.submit([image(1)])
            assert refused.value.status == 500
            assert str(refused.value) == "a fault of this server, which its log describes; other requests are answered."
        assert labels(await batcher.submit([image(3)])) == ["x"]
        await batcher.close()

    own_loop.run(story())
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "'/secret/path'", "expected 1 answers of the model; got 0.",
    ]  # fmt: skip


def test_after_5_deaths_within_60_s_a_process_is_left_alone_for_30_s():
    circuit = Circuit()
    for second in (0, 10, 20, 30):
        circuit.died(second)
        assert circuit.wait(second) == 0
    circuit.died(61)  # 61 s after the first
    assert circuit.wait(61) == 0
    circuit.died(62)  # 52 s after the second, which is the first of the last five
    assert circuit.wait(62) == 30
    assert circuit.wait(70) == 22
    assert circuit.wait(92) == 0
