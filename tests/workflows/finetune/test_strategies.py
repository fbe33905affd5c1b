"""The strategies side by side: what they change, what they share, and what they leave."""

import copy
import hashlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base import run_folder, run_record
from striate.base.errors import Interrupted, RunError, SettingError
from striate.batches.loader import Loader
from striate.training import lr_schedule, optimizer
from striate.training.transfer import head_training
from striate.workflows.train import one_training
from support.command_line import run
from support.finetuned import NAMES, SHORT, START, changed, finetune, weights
from support.shape_images import make_folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "shapes", 15)


@pytest.fixture(scope="module")
def all_four(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return finetune(shapes, tmp_path_factory.mktemp("runs"), *NAMES)


@pytest.mark.parametrize("strategy", ["extract", "adapt"])
def test_frozen_means_frozen(strategy: str, all_four: dict[str, Any]):
    before, after = striate.load(START).net.state_dict(), weights(all_four["run"], strategy)
    assert changed(before, after) == {"fc.weight", "fc.bias"}
    assert [name for name in before if before[name].shape != after[name].shape] == ["fc.weight", "fc.bias"]


def test_retraining_changes_every_weight_and_no_norm(all_four: dict[str, Any]):
    before, after = striate.load(START).net.state_dict(), weights(all_four["run"], "retrain")
    norms = {name for name in before if ".bn" in name or name.startswith("bn")}
    assert len(norms) == 19 * 5
    assert changed(before, after) == set(before) - norms


def test_norms_learn_where_that_is_asked_for(shapes: Path, tmp_path: Path):
    finetune(shapes, tmp_path, "retrain", own={"freeze_batchnorm": False, "retrain": {"epochs": 1}})
    before, after = striate.load(START).net.state_dict(), weights(tmp_path / "run", "retrain")
    assert changed(before, after) == set(before)


def test_the_control_begins_from_nothing(all_four: dict[str, Any]):
    model = striate.load(Path(all_four["run"]) / "strategies" / "scratch" / "model")
    assert model.net_name == "resnet20"
    assert changed(striate.load(START).net.state_dict(), model.net.state_dict()) == set(model.net.state_dict())
    assert not model.preprocess.mean.equal(striate.load(START).preprocess.mean)  # those of its own images


def test_the_result_has_a_row_for_each_and_names_the_kept(all_four: dict[str, Any]):
    assert [row["name"] for row in all_four["strategies"]] == NAMES
    folder, kept = Path(all_four["run"]), all_four["recommended"]
    best = max(row["val"]["accuracy"] for row in all_four["strategies"])
    for row in all_four["strategies"]:
        assert row["test"]["n"] == 9
        assert row["seconds"] > 0
        assert (row["p_value"] is None) == (row["name"] == kept)
    (chosen,) = [row for row in all_four["strategies"] if row["name"] == kept]
    assert chosen["val"]["accuracy"] == best
    assert all_four["test"] == chosen["test"]
    assert all_four["sentence"].startswith(f"Choose {kept}: the highest validation accuracy ")
    model = (folder / "model" / "weights.safetensors").read_bytes()
    assert model == (folder / "strategies" / kept / "model" / "weights.safetensors").read_bytes()
    assert all_four["weights_sha256"] == hashlib.sha256(model).hexdigest()
    assert striate.evaluate(str(folder))["accuracy"] == all_four["test"]["accuracy"]
    own_time = ("wall_seconds", "images_per_second")  # of the command, not of the run
    assert json.loads((folder / "result.json").read_text()) == {k: v for k, v in all_four.items() if k not in own_time}
    assert all_four["wall_seconds"] > 0
    assert all_four["images_per_second"] == pytest.approx(45 / all_four["wall_seconds"], rel=0.1)
    assert not list(folder.glob("strategies/*/checkpoints"))


@pytest.mark.parametrize("strategy", NAMES)
def test_each_model_answers_as_its_predictions_say(strategy: str, shapes: Path, all_four: dict[str, Any]):
    folder = Path(all_four["run"]) / "strategies" / strategy
    ids_M, labels_M, logits_MK = run_folder.load_predictions(folder / "predictions-test.npz")
    assert (np.diff(ids_M.astype(object)) > 0).all()
    (row,) = [row for row in all_four["strategies"] if row["name"] == strategy]
    assert (logits_MK.argmax(axis=1) == labels_M).mean() == row["test"]["accuracy"]
    model = striate.load(folder / "model")
    from striate.data import folders

    examples = folders.read(shapes)
    paths = [shapes / examples.names[int(np.flatnonzero(examples.ids_N == number)[0])] for number in ids_M]
    found = model.predict(paths)
    scaled_MK = logits_MK / model.confidence.temperature
    shares = np.exp(scaled_MK - scaled_MK.max(axis=1, keepdims=True))
    expected = (shares / shares.sum(axis=1, keepdims=True)).max(axis=1)
    assert [answer.probability for answer in found] == pytest.approx(expected.tolist(), abs=2e-5)


def test_an_adapted_head_is_that_of_a_training_with_the_frozen_body_in_the_loop(shapes: Path, tmp_path: Path):
    own = {"adapt": {"epochs": 3, "batch_size": 8}}
    finetune(shapes, tmp_path, "adapt", own=own, settings={"augment": {"flip": False}})
    found = weights(tmp_path / "run", "adapt")
    settings = run_folder.settings(tmp_path / "run").finetune.adapt or pytest.fail("no settings of adapt")

    start = striate.load(START)
    net = copy.deepcopy(start.net)
    net.fc = head_training.fresh(64, 3)
    stream = train_stream(shapes, tmp_path / "run", start.preprocess, settings.batch_size)
    steps_made = optimizer.make(net.fc, settings)
    rate, step, heads = lr_schedule.make(settings, 3 * stream.steps), 0, []
    net.eval()
    for epoch in range(3):
        for batch in stream.epoch(epoch):
            optimizer.set_rate(steps_made, settings.lr * rate(step))
            steps_made.zero_grad()
            torch.nn.functional.cross_entropy(net(batch.images_NCHW), batch.labels_N).backward()
            steps_made.step()
            step += 1
        heads.append(copy.deepcopy(net.fc.state_dict()))
    nearest = min(float((head["weight"] - found["fc.weight"]).abs().max()) for head in heads)  # the best epoch's is kept
    assert nearest < 1e-4
    assert float(found["fc.weight"].abs().max()) > 100 * 1e-4


def train_stream(data: Path, folder: Path, preprocess: Any, batch_size: int) -> Loader:
    """The training images of a run as a plain training would see them."""
    from striate.base.signals import Stop
    from striate.data import sources
    from striate.training import device
    from striate.workflows import dataset

    settings = run_folder.settings(folder)
    made = dataset.gather(sources.read(settings.data), settings, Stop(), lambda _event: None)
    assert device.pick(settings.engine).device.type == "cpu"
    ids_N, rows_M = made.examples.ids_N, made.parts.train_M
    return Loader(
        pixels_NHWC=made.stored.pixels_NHWC, labels_N=made.examples.labels_N, ids_N=ids_N,
        rows_M=rows_M[np.argsort(ids_N[rows_M])], preprocess=preprocess, batch_size=batch_size, shuffle_seed=settings.seed,
    )  # fmt: skip


def test_retraining_begins_with_the_adapted_head(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun: list[dict[str, torch.Tensor]] = []

    def trained(*arguments: Any, **_more: Any) -> Any:
        begun.append(copy.deepcopy(arguments[2].net.state_dict()))
        raise InterruptedError

    monkeypatch.setattr(one_training, "train", trained)
    with pytest.raises(InterruptedError):
        finetune(shapes, tmp_path, "adapt", "retrain")
    assert changed(weights(tmp_path / "run", "adapt"), begun[0]) == set()


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_the_test_images_change_no_byte_of_any_model(shapes: Path, all_four: dict[str, Any], tmp_path: Path, whole: bool):
    from striate.data import folders

    noise = make_folder(tmp_path / "shapes", 15)
    examples = folders.read(shapes)
    tested = set(run_folder.load_predictions(Path(all_four["run"]) / "predictions-test.npz")[0].tolist())
    for name, number in zip(examples.names, examples.ids_N.tolist(), strict=True):
        if number in tested:
            levels = np.random.default_rng(number % 2**32).integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(levels).save(noise / name)
    compared = NAMES if whole else ["extract", "adapt"]
    second = finetune(noise, tmp_path, *compared, own={"adapt": SHORT["adapt"]})
    for strategy in compared:
        assert changed(weights(all_four["run"], strategy), weights(second["run"], strategy)) == set(), strategy
    if whole:
        assert second["recommended"] == all_four["recommended"]
    assert [row["test"] for row in second["strategies"]] != [
        row["test"] for row in all_four["strategies"] if row["name"] in compared
    ]


def parts(sentence: str) -> list[str]:
    """What a recommendation says, but for times."""
    return [part for part in sentence.rstrip(".").split("; ") if " took " not in part]


def test_interrupted_anywhere_and_resumed_it_ends_with_the_same_bytes(shapes: Path, all_four: dict[str, Any], tmp_path: Path):
    def stopping(strategy: str, step: int) -> Any:
        def watch(event: dict[str, Any]) -> None:
            begun = (tmp_path / "run" / "strategies" / strategy).exists()
            if begun and event["event"] == "step" and event["step"] == step:
                signal.raise_signal(signal.SIGTERM)

        return watch

    with pytest.raises(Interrupted, match=r"after step 5 of \d+; it is short and will begin again\. Resume with --resume\."):
        finetune(shapes, tmp_path, *NAMES, watch=stopping("adapt", 5))
    with pytest.raises(Interrupted, match="after step 3 of 4; the checkpoint is written"):
        striate.finetune(out=tmp_path, name="run", resume=True, watch=stopping("retrain", 3))
    with pytest.raises(Interrupted, match="after step 1 of 4; the checkpoint is written"):
        striate.finetune(out=tmp_path, name="run", resume=True, watch=stopping("scratch", 1))
    ended = striate.finetune(out=tmp_path, name="run", resume=True)
    for strategy in NAMES:
        assert changed(weights(all_four["run"], strategy), weights(tmp_path / "run", strategy)) == set(), strategy
    kept = ("recommended", "sentence", "val", "test", "weights_sha256")
    assert [ended[name] for name in kept if name != "sentence"] == [all_four[name] for name in kept if name != "sentence"]
    assert parts(ended["sentence"]) == parts(all_four["sentence"])
    again = striate.finetune(out=tmp_path, name="run", resume=True)  # it is finished already
    assert {**again, **{name: ended[name] for name in ("wall_seconds", "images_per_second")}} == ended


def test_a_resumed_run_takes_no_other_setting_or_weights(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "features":
            signal.raise_signal(signal.SIGTERM)

    striate.train(str(shapes), net="mlp", epochs=1, out=tmp_path, name="start", settings={"preprocess": {"size_px": 16}})
    begin = str(tmp_path / "start" / "model")
    with pytest.raises(Interrupted, match=r"SIGTERM while computing features; resume with --resume\."):
        striate.finetune(str(shapes), weights=begin, out=tmp_path, name="run", watch=stop)
    with pytest.raises(SettingError) as refused:
        striate.finetune(out=tmp_path, name="run", resume=True, seed=3)
    assert str(refused.value) == ("a resumed run keeps its settings: seed is 0; got 3. Leave it out, or start a new run.")
    with pytest.raises(RunError, match="--resume needs the run's --name"):
        striate.finetune(out=tmp_path, resume=True)
    striate.train(
        str(shapes), net="mlp", epochs=1, seed=5, out=tmp_path, name="other", settings={"preprocess": {"size_px": 16}}
    )
    other = (tmp_path / "other" / "model").rename(tmp_path / "other-model")
    (tmp_path / "start" / "model").rename(tmp_path / "gone")
    other.rename(tmp_path / "start" / "model")
    with pytest.raises(RunError, match=r"began with other weights than .* has now, so its strategies would not compare"):
        striate.finetune(out=tmp_path, name="run", resume=True)


def test_what_a_strategy_left_half_written_is_written_again(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_four: dict[str, Any]
):
    write = run_record.add

    def ended(folder: Path, contents: dict[str, bytes]) -> None:
        if "strategy.json" in contents:
            raise InterruptedError
        write(folder, contents)

    monkeypatch.setattr(run_record, "add", ended)
    with pytest.raises(InterruptedError):
        finetune(shapes, tmp_path, "retrain")
    folder = tmp_path / "run" / "strategies" / "retrain"
    assert list(folder.glob("checkpoints/step-*"))
    (folder / "predictions-test.npz").unlink()
    monkeypatch.undo()
    found = striate.finetune(out=tmp_path, name="run", resume=True)
    assert changed(weights(all_four["run"], "retrain"), weights(tmp_path / "run", "retrain")) == set()
    assert found["test"]["n"] == 9
    assert (tmp_path / "run" / "predictions-test.npz").exists()


def test_a_strategy_that_has_lost_a_file_is_done_again(tmp_path: Path, all_four: dict[str, Any], caplog: Any):
    run = Path(shutil.copytree(all_four["run"], tmp_path / "run"))
    for name in ("result.json", "strategies/extract/predictions-test.npz"):
        (run / name).unlink()
    result = striate.finetune(out=tmp_path, name="run", resume=True)
    assert "predictions-test.npz is missing, though the run wrote it; extract is done again." in caplog.text
    assert [row["test"] for row in result["strategies"]] == [row["test"] for row in all_four["strategies"]]


def test_going_on_from_a_run_with_the_same_classes_keeps_its_head(shapes: Path, tmp_path: Path, caplog: Any):
    first = finetune(shapes, tmp_path, "extract")
    with caplog.at_level("INFO", logger="striate"):
        settings = {"finetune": {"adapt": {"epochs": 1, "lr": 1e-9}}, "augment": {"flip": False}}
        second = striate.finetune(
            str(shapes), weights=first["run"], strategies="adapt", out=tmp_path, name="second", settings=settings
        )
    assert f"The classes are those of {first['run']}, so its head is trained further." in caplog.text
    before, after = (striate.load(run["run"]).net.state_dict()["fc.weight"] for run in (first, second))
    assert torch.allclose(before, after, atol=1e-6)


def test_it_goes_on_from_a_run_that_reads_an_earlier_layer(shapes: Path, tmp_path: Path):
    first = striate.finetune(
        str(shapes), weights=START, layers=["conv3_3"], out=tmp_path, name="first", settings={"finetune": {"normalize": "l2"}}
    )
    short = {"epochs": 1, "batch_size": 16}
    settings = {"finetune": {"adapt": short, "retrain": short, "unfreeze": "gradual"}}
    found = striate.finetune(
        str(shapes), weights=first["run"], strategies=["extract", "adapt", "retrain"], out=tmp_path,
        name="second", layers=["conv2_1", "conv3_1"], settings=settings,
    )  # fmt: skip
    for name, read in (("extract", found["layer"]), ("adapt", "conv3_3"), ("retrain", "conv3_3")):
        model = striate.load(Path(found["run"]) / "strategies" / name / "model")
        assert model.net_settings["feature_layer"] == read
        assert "unit_features" not in model.net_settings


def test_the_command_shows_estimate_table_and_sentence(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path):
    short = [f"--set=finetune.{name}.epochs=1" for name in ("adapt", "scratch")]
    done = run(
        capsys, "finetune", shapes, "--from", START, "--out", tmp_path, "--name", "run", "--strategy", "adapt,scratch", *short
    )
    assert done.code == 0
    assert "Estimated: adapt " in done.err
    assert "mirrored at random: the images have color." in done.err
    assert "strategy" in done.out
    assert "(kept)" in done.out
    assert "Choose " in done.out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--per-class", "5,x"], "--per-class: expected numbers with commas, as 5,10,20; got '5,x'."),
        (["--from", "resnet20"], "resnet20"),
    ],
)
def test_the_command_refuses(capsys: pytest.CaptureFixture[str], words: list[str], text: str, shapes: Path, tmp_path: Path):
    done = run(capsys, "finetune", shapes, "--out", tmp_path, *words)
    assert done.code != 0
    assert text in done.err
