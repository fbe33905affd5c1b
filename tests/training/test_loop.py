from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.base.errors import Interrupted, NumbersError
from striate.base.settings import Augment
from striate.batches import augment
from striate.batches.sampler import balanced
from striate.training import checkpoint, journal, loop
from striate.training.inference import BatchLike, predict
from support.tasks import PLAIN_LINE, digest, stopping_at, task

VARIANTS: dict[str, dict[str, Any]] = {
    "adamw with average and smoothing": {"ema_decay": 0.9, "label_smoothing": 0.1},
    "sgd in parts": {"optimizer": "sgd", "grad_accum_steps": 3, "schedule": "cosine", "lr": 0.05},
    "hinge with every penalty": {"loss": "weston-watkins", "l1": 1e-3, "l2": 1e-3, "max_norm": 1.0, "optimizer": "sgd"},
    "muon, the last weights kept": {
        "optimizer": "muon",
        "lr": 0.05,
        "schedule": "linear",
        "keep": "last",
        "bias_multiplier": 9.0,
    },
    "muon with adamw": {"optimizer": "muon-adamw", "muon_lr": 0.1, "line": "conv 3x3x4, relu, conv 3x3x4, bn, relu, fc"},
    "adam with clipping": {"optimizer": "adam", "clip_grad_norm": 0.5, "schedule": "step"},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_stopped_at_every_step_and_resumed_it_ends_with_the_same_bytes(tmp_path: Path, settings: dict[str, Any]):
    whole = task(tmp_path / "whole", **settings)
    expected = loop.fit(whole)
    for step in range(1, 13):
        folder = tmp_path / str(step)
        with pytest.raises(Interrupted, match=rf"Stopped by SIGTERM after step {step} of 12; the checkpoint is written"):
            loop.fit(stopping_at(task(folder, **settings), step))
        resumed = task(folder, **settings)
        actual = loop.fit(resumed, checkpoint.latest(folder / "checkpoints"))
        assert digest(resumed.net) == digest(whole.net), f"after a stop at step {step}"
        assert actual.best == expected.best
        assert actual.history == expected.history


def test_stopped_and_resumed_a_run_with_balanced_classes_ends_with_the_same_bytes(tmp_path: Path):
    def uneven(folder: Path | None) -> loop.Task:
        result = task(folder)
        rows_M = np.concatenate([np.arange(0, 30, 3), [1, 4, 7], [2]])  # 10, 3 and 1 images: 30 places
        changes = augment.fit(Augment(rotate=20, mixup=0.2), result.train.pixels_NHWC, rows_M, seed=0)
        sampling = balanced(rows_M, result.train.labels_N[rows_M])
        return replace(result, train=replace(result.train, rows_M=rows_M, augmentation=changes, sampling=sampling))

    whole = uneven(None)
    loop.fit(whole)
    for step in (1, 4, 6, 11):
        folder = tmp_path / str(step)
        with pytest.raises(Interrupted):
            loop.fit(stopping_at(uneven(folder), step))
        resumed = uneven(folder)
        loop.fit(resumed, checkpoint.latest(folder / "checkpoints"))
        assert digest(resumed.net) == digest(whole.net), f"after a stop at step {step}"


def test_stopped_at_every_step_in_a_chain(tmp_path: Path):
    whole = task(None)
    loop.fit(whole)
    for step in range(1, 12):
        with pytest.raises(Interrupted):
            loop.fit(stopping_at(task(tmp_path), step), checkpoint.latest(tmp_path / "checkpoints"))
    last = task(tmp_path)
    loop.fit(last, checkpoint.latest(tmp_path / "checkpoints"))
    assert digest(last.net) == digest(whole.net)


def test_a_stop_during_validation_loses_nothing(tmp_path: Path):
    whole = task(None)
    expected = loop.fit(whole)
    stopped = task(tmp_path)

    class Asking:
        """Validation batches during which the end is asked for."""

        steps = stopped.val.steps

        def epoch(self, epoch: int, start: int = 0) -> Iterator[BatchLike]:
            for batch in stopped.val.epoch(epoch, start):
                stopped.stop.signal = "SIGINT"
                yield batch

    with pytest.raises(Interrupted):
        loop.fit(replace(stopped, val=Asking()))
    state = checkpoint.latest(tmp_path / "checkpoints")
    assert state is not None
    assert (state.state["step"], state.state["evaluated_step"]) == (4, -1)
    resumed = task(tmp_path)
    assert loop.fit(resumed, state).history == expected.history
    assert digest(resumed.net) == digest(whole.net)


def test_one_seed_gives_one_result_and_another_seed_another():
    tasks = [task(None, seed=0), task(None, seed=0), task(None, seed=1)]
    for result in tasks:
        loop.fit(result)
    digests = [digest(result.net) for result in tasks]
    assert digests[0] == digests[1] != digests[2]


def test_it_learns_and_is_left_with_its_best_weights():
    result = task(None, steps=80)
    fitted = loop.fit(result)
    assert fitted.best["accuracy"] >= 8 / 9
    assert fitted.best == max(fitted.history, key=lambda event: (event["accuracy"], -event["loss"]))
    actual = predict(result.net, result.val, result.engine)
    assert actual is not None
    assert (actual.logits_NK.argmax(1) == actual.labels_N).mean() == fitted.best["accuracy"]
    assert fitted.steps == 80
    assert [event["step"] for event in fitted.history] == list(range(4, 81, 4))


def test_the_parts_of_a_batch_add_up_to_its_gradient():
    whole, parts = task(None, PLAIN_LINE), task(None, PLAIN_LINE, grad_accum_steps=3)
    loop.fit(whole)
    loop.fit(parts)
    for one, other in zip(whole.net.parameters(), parts.net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_patience_stops_after_so_many_epochs_without_a_better_score():
    result = task(None, steps=400, lr=1e-30, weight_decay=0.0, patience=3, schedule="constant", line=PLAIN_LINE)
    fitted = loop.fit(result)
    assert fitted.steps < 400
    assert len(fitted.history) - fitted.best["epoch"] == 3


def easy(folder: Path | None = None, **settings: Any) -> loop.Task:
    """30 epochs of an easy task, learned after seven: smoothed labels make later ones no better."""
    return task(folder, steps=120, line=PLAIN_LINE, label_smoothing=0.3, **settings)


def test_early_stop_ends_a_training_that_has_nothing_to_gain_with_the_weights_that_all_steps_keep():
    whole, stopped = easy(), easy(early_stop=True)
    all_epochs, fewer = loop.fit(whole), loop.fit(stopped)
    assert fewer.steps < all_epochs.steps == 120
    assert fewer.best["accuracy"] == 1
    assert fewer.history == all_epochs.history[: len(fewer.history)]
    assert len(fewer.history) - fewer.best["epoch"] >= 8
    assert fewer.history[-1]["rate"] <= 0.02 / 2
    assert fewer.best == all_epochs.best
    assert digest(whole.net) == digest(stopped.net)


def test_a_training_that_was_stopped_early_ends_alike_when_it_is_resumed(tmp_path: Path):
    whole = easy(tmp_path / "whole", early_stop=True)
    fitted = loop.fit(whole)
    begun = stopping_at(easy(tmp_path / "begun", early_stop=True), fitted.steps - 2)
    with pytest.raises(Interrupted):
        loop.fit(begun)
    again = easy(tmp_path / "begun", early_stop=True)
    resumed = loop.fit(again, checkpoint.latest(tmp_path / "begun" / "checkpoints"))
    assert (resumed.steps, resumed.best) == (fitted.steps, fitted.best)
    assert digest(again.net) == digest(whole.net)


def test_the_average_is_what_is_scored_and_kept():
    plain, averaged = task(None, ema_decay=None), task(None, ema_decay=0.95)
    loop.fit(plain)
    loop.fit(averaged)
    assert digest(plain.net) != digest(averaged.net)


@pytest.mark.parametrize("step", [1, 7, 12])
def test_a_loss_that_is_not_finite_stops_at_once_and_names_step_and_images(tmp_path: Path, step: int):
    result = task(tmp_path)
    calls = 0

    def loss(logits_NK: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        losses_N = torch.nn.functional.cross_entropy(logits_NK, labels_N, reduction="none")
        return losses_N + torch.where(torch.arange(len(labels_N)) == 2, float("nan"), 0.0) if calls == step else losses_N

    with pytest.raises(NumbersError) as stopped:
        loop.fit(replace(result, loss=loss))
    text = str(stopped.value)
    assert (
        f"The loss is nan at step {step} of 12 (epoch {(step - 1) // 4 + 1}); expected a finite number. Images: image" in text
    )
    assert "Lower train.lr (now 0.02), or set train.clip_grad_norm=1." in text
    last = journal.read(tmp_path / "journal.jsonl")[-1]
    assert (last["event"], last["step"], len(last["images"])) == ("stopped", step, 1)
    assert calls == step
    for path in (tmp_path / "checkpoints").glob("step-*"):
        assert int(path.name.removeprefix("step-")) < step


def test_the_journal_tells_every_epoch_and_checkpoint(tmp_path: Path):
    loop.fit(task(tmp_path))
    events = journal.read(tmp_path / "journal.jsonl")
    assert [event["event"] for event in events] == ["epoch", "checkpoint"] * 3
    assert [event["step"] for event in events if event["event"] == "epoch"] == [4, 8, 12]
    assert events[-1]["path"] == "checkpoints/step-000000012"
    rates = [event["rate"] for event in events if event["event"] == "epoch"]
    assert rates[0] > rates[1] > rates[2] > 0


def test_weights_that_are_not_finite_never_reach_a_checkpoint(tmp_path: Path):
    result = task(tmp_path, lr=1e38, optimizer="sgd", momentum=0.0, schedule="constant")
    with pytest.raises(NumbersError):
        loop.fit(result)
    for path in (tmp_path / "checkpoints").glob("step-*"):
        actual = checkpoint.load_file(path / "state.safetensors")
        assert all(bool(torch.isfinite(tensor).all()) for tensor in actual.values() if tensor.is_floating_point())


def test_the_last_weights_are_kept_where_they_are_asked_for():
    job = task(None, keep="last", lr=0.5, schedule="constant")  # too high a rate, which makes worse what was good
    fitted = loop.fit(job)
    assert fitted.best == fitted.history[-1]
    assert fitted.best != max(fitted.history, key=lambda event: (event["accuracy"], -event["loss"]))
    actual = predict(job.net, job.val, job.engine)
    assert actual is not None
    assert (actual.logits_NK.argmax(1) == actual.labels_N).mean() == fitted.best["accuracy"]
