"""The inference process when it is killed, and when the model is loaded anew; with a worker that needs no torch."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from striate.base.errors import ArtifactError
from striate.workflows.serve.loaded_model import LoadedModel
from support.serving import Running, png, running

TESTS = Path(__file__).parents[2]


@pytest.fixture
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    (tmp_path / "model").write_bytes(b"first")
    return tmp_path / "model"


@pytest.fixture
def served(model_file: Path) -> Iterator[Running]:
    model = LoadedModel(str(model_file), "cpu", "support.serving_worker:infer")
    model.load()
    with running(model, deadline=60) as server:
        yield server


def ask(server: Running) -> tuple[int, str]:
    """The status and, of an answer, its label."""
    answer = server.client.post("/v1/predict", files={"file": png(9)})
    return answer.status_code, answer.json()["predictions"][0]["label"] if answer.status_code == 200 else answer.json()["error"]


def test_of_a_process_killed_at_work_its_batch_gets_503_and_the_next_is_answered(served: Running):
    model = served.server.state.model
    assert ask(served) == (200, "first")
    for count in range(1, 4):
        worker = model.process_id
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            in_flight = pool.submit(ask, served)
            while f"striate_batch_images_count {2 * count}.0" not in served.client.get("/metrics").text:
                time.sleep(0.01)
            os.kill(worker, signal.SIGKILL)
            assert in_flight.result() == (503, "the inference process failed; it is started again.")
        assert ask(served) == (200, "first")
        assert model.process_id != worker
        assert f"striate_inference_deaths {count}.0" in served.client.get("/metrics").text


def test_of_a_process_killed_at_rest_nobody_notices(served: Running):
    worker = served.server.state.model.process_id
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    time.sleep(0.1)
    assert ask(served) == (200, "first")
    assert "striate_inference_deaths 1.0" in served.client.get("/metrics").text


def test_of_a_process_killed_at_work_the_spare_takes_over_and_the_dead_one_becomes_the_spare(model_file: Path):
    model = LoadedModel(str(model_file), "cpu", "support.serving_worker:infer")
    model.load()
    with running(model, deadline=60, spare=True) as server:

        def spare() -> int:
            while (process := model.spare_id) is None:
                time.sleep(0.01)
            return process

        for count in range(1, 3):
            first, second = model.process_id, spare()
            assert "striate_inference_spare 1.0" in server.client.get("/metrics").text
            assert first is not None
            os.kill(first, signal.SIGKILL)
            time.sleep(0.05)
            assert ask(server) == (200, "first")
            assert model.process_id == second
            assert spare() not in (first, second)
            assert f"striate_inference_deaths {count}.0" in server.client.get("/metrics").text
        os.kill(spare(), signal.SIGKILL)  # it is not asked, so it is noticed with the next request
        time.sleep(0.05)
        assert ask(server) == (200, "first")
        os.kill(spare(), 0)
        model_file.write_bytes(b"second")  # the spare has the model that is served
        for expected in ((200, "first"), (503, "the model's files changed while it was served; reload it (SIGHUP).")):
            assert model.process_id is not None
            spare()
            os.kill(model.process_id, signal.SIGKILL)
            time.sleep(0.05)
            assert ask(server) == expected
    assert model.process_id is None
    assert model.spare_id is None


def test_after_five_deaths_of_a_process_with_a_spare_neither_is_asked(model_file: Path):
    model = LoadedModel(str(model_file), "cpu", "support.serving_worker:infer")
    model.load()
    with running(model, deadline=60, spare=True) as server:
        for _ in range(4):
            model.circuit.died(time.monotonic())
        assert model.process_id is not None
        os.kill(model.process_id, signal.SIGKILL)
        time.sleep(0.05)
        again = (503, "the inference process died again and again; it is tried again later.")
        assert [ask(server) for _ in range(2)] == [again] * 2
        assert model.deaths == 1
        model.circuit._deaths.clear()
        assert ask(server) == (200, "first")


def test_after_five_deaths_the_process_is_left_alone(served: Running):
    model = served.server.state.model
    for _ in range(5):
        model.circuit.died(time.monotonic())
    status, sentence = ask(served)
    assert (status, sentence) == (503, "the inference process died again and again; it is tried again later.")
    ready = served.client.get("/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "the inference process died again and again"})


def test_a_reload_serves_the_new_model_and_a_bad_one_is_not_taken(served: Running, model_file: Path):
    def reload(outcome: str) -> None:
        served.do(served.server.reload)
        while f'striate_reloads_total{{outcome="{outcome}"}} 1.0' not in served.client.get("/metrics").text:
            time.sleep(0.02)

    before = served.server.state.model
    model_file.write_bytes(b"bad")
    reload("failed")
    assert ask(served) == (200, "first")
    assert served.server.state.model is before
    model_file.write_bytes(b"second")
    reload("done")
    assert ask(served) == (200, "second")
    while before.process_id is not None:  # once what it had accepted is answered
        time.sleep(0.02)


def test_files_that_changed_without_a_reload_are_not_taken_for_the_model(served: Running, model_file: Path):
    model_file.write_bytes(b"second")
    worker = served.server.state.model.process_id
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    time.sleep(0.1)
    assert ask(served) == (503, "the model's files changed while it was served; reload it (SIGHUP).")
    assert served.client.get("/ready").json() == {"status": "the model's files changed"}


def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(model_file: Path):
    model_file.write_bytes(b"bad")
    model = LoadedModel(str(model_file), "cpu", "support.serving_worker:infer")
    with pytest.raises(ArtifactError, match=r"the model is bad\."):
        model.load()
    model.close()
