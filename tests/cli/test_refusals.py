"""What the user gets wrong is told in one sentence - expected, got, do this - with exit code 2, and nothing is begun."""

import json
import os
import shutil
from pathlib import Path

import pytest

from striate.base import files, run_record
from striate.base.errors import DiskError
from striate.data import decode
from striate.training import device
from support.command_line import run, train_in
from support.shape_images import make_folder

QUICK = ("--net", "pool 4, fc", "--epochs", "1", "--set", "preprocess.size_px=16")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photos(here: Path) -> Path:
    return make_folder(here / "photos", each=8)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and a run, trained once: each test has a copy."""
    folder = tmp_path_factory.mktemp("ready")
    make_folder(folder / "photos", each=8)
    train_in(folder, ("photos", *QUICK, "--name", "first"))
    return folder


@pytest.fixture
def trained(here: Path, ready: Path) -> Path:
    shutil.copytree(ready, here, dirs_exist_ok=True)
    return Path("runs/first")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    done = run(capsys, *arguments)
    assert done.code == 2
    assert done.out == ""
    sentence = done.err.strip().splitlines()[-1]
    assert sentence.startswith("striate: ")
    assert "Traceback" not in done.err
    return sentence


def test_a_missing_path(capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "train", "fotos")
    assert "expected a folder of images by class, a table or a name; there is nothing at 'fotos'." in text
    assert "digits" in text
    assert "did you mean digits?" in refused(capsys, "train", "digit")
    assert not Path("runs").exists()


def test_an_empty_folder(capsys: pytest.CaptureFixture[str]):
    Path("empty").mkdir()
    assert "expected images by class in empty; found none that can be used" in refused(capsys, "train", "empty")


def test_one_class_only(here: Path, capsys: pytest.CaptureFixture[str]):
    make_folder(here / "photos", each=5, classes=("circle",))
    text = refused(capsys, "train", "photos")
    assert "expected at least two classes in photos; got one, 'circle'. Put the images of each class into a folder" in text


def test_a_class_with_one_image(photos: Path, capsys: pytest.CaptureFixture[str]):
    for path in list((photos / "square").glob("*.png"))[1:]:
        path.unlink()
    text = refused(capsys, "train", "photos", *QUICK)
    left = next((photos / "square").iterdir()).name
    assert (
        f"class 'square' has 1 image (square/{left}); expected at least 3, one each to train, choose and test on. "
        "Add images, or remove the class."
    ) in text


def test_unreadable_files_are_quarantined_by_name_and_training_goes_on(photos: Path, capsys: pytest.CaptureFixture[str]):
    (photos / "circle" / "empty.png").write_bytes(b"")
    (photos / "square" / "half.png").write_bytes((photos / "square" / "000.png").read_bytes()[:900])
    done = run(capsys, "train", "photos", *QUICK, "--json")
    assert done.code == 0
    assert done.json["quarantined"] == 2
    assert "2 of the files found are quarantined and not used:" in done.err
    assert "circle/empty.png: empty file" in done.err
    assert "square/half.png: cannot be decoded: " in done.err


def test_no_file_of_a_class_can_be_read(photos: Path, capsys: pytest.CaptureFixture[str]):
    for path in (photos / "square").glob("*.png"):
        path.write_bytes(b"no image")
    text = refused(capsys, "train", "photos", *QUICK)
    assert "no image of class 'square' can be decoded; the first, square/000.png: not one of the formats" in text


def test_an_unknown_net_offers_the_nearest(photos: Path, capsys: pytest.CaptureFixture[str]):
    assert "There is no network 'mnist_cn'; did you mean mnist_cnn?" in refused(capsys, "train", "photos", "--net", "mnist_cn")
    assert "There is no network 'mlq'; did you mean mlp?" in refused(capsys, "nets", "mlq")


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("train.lrr=1", "There is no setting train.lrr; did you mean lr?"),
        ("lr=1", "There is no setting lr; did you mean train.lr?"),
        ("train.momentum=0.5", "momentum does not apply with optimizer='adamw'; remove it."),
        ("train.batch_size=0", "train.batch_size: input should be greater than or equal to 1; got 0."),
        ("train.lr", "expected --set name=value, as in --set train.lr=0.1; got 'train.lr'."),
        ("net.dropout=0.5", "net.dropout does not apply to 'pool 4, fc': it has no settings of its own. Remove it."),
        ("engine.device=cuda:7", "this machine, or this build of torch, has no cuda:7; use auto or cpu."),
        ("engine.threads=100000", "engine.threads: input should be less than or equal to 1024; got 100000."),
        ("train.epochs=2", "train.epochs is given twice, as 2 and as 1; leave one out."),
        ("train.steps=2", "train: expected one of epochs, steps and minutes; got epochs and steps; remove one."),
        ("net.name=mlp", "net.name is given twice, as 'mlp' and as 'pool 4, fc'; leave one out."),
        ("engine.device=gpu", "engine.device: expected auto, cpu, cuda, cuda:1 or mps; got 'gpu'."),
        ("data.background=[0,0,999]", "background must be three levels from 0 to 255; got [0, 0, 999]."),
    ],
)
def test_a_setting_that_does_not_exist_or_apply(photos: Path, capsys: pytest.CaptureFixture[str], setting: str, text: str):
    assert text in refused(capsys, "train", "photos", *QUICK, "--set", setting)


def test_two_lengths_of_training(photos: Path, capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "train", "photos", "--epochs", "2", "--minutes", "1")
    assert "expected one of epochs, steps and minutes; got epochs and minutes; remove one." in text


def test_a_flag_that_does_not_exist_or_is_of_another_kind(capsys: pytest.CaptureFixture[str]):
    assert "--epoch" in refused(capsys, "train", "digits", "--epoch", "3")
    for number in ("many", "1.5", "1e3"):
        assert f'Invalid value for --epochs: unable to convert "{number}" into int.' in refused(
            capsys, "train", "digits", "--epochs", number
        )
    assert "--size applies to one network; got no NAME." in refused(capsys, "nets", "--size", "32")


def test_an_unknown_recipe(capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "train", "digits", "--recipe", "mnist_cn")
    assert "There is no recipe 'mnist_cn'; did you mean mnist_cnn or mnist_cnn_textbook?" in text


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json", "MANIFEST.sha256"])
def test_an_artifact_with_one_flipped_bit(trained: Path, capsys: pytest.CaptureFixture[str], name: str):
    path = trained / "model" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    text = refused(capsys, "predict", "first", "photos/circle/000.png")
    assert str(path if name != "MANIFEST.sha256" else path.parent) in text
    assert ("Restore it from a copy" if name == "MANIFEST.sha256" else "Use another copy") in text


def test_a_folder_that_cannot_be_written(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def read_only(path: Path, *_arguments: object, **_options: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", read_only)
    done = run(capsys, "train", "photos", *QUICK, "--out", "elsewhere")
    assert done.code == DiskError.exit_code == 74
    assert "cannot write" in done.err
    assert "the folder is not writable; give another with --out (or STRIATE_CACHE), or change its permissions." in done.err


def test_a_full_disk(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def full(_path: Path, _content: bytes) -> None:
        with files.explained(_path, "write"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", full)
    done = run(capsys, "train", "photos", *QUICK)
    assert done.code == 74
    assert "the disk is full; free some space, then resume with --resume." in done.err


def test_an_unknown_run(trained: Path, capsys: pytest.CaptureFixture[str]):
    assert "there is none at frist or runs/frist; did you mean first?" in refused(capsys, "evaluate", "frist")


def test_a_name_that_is_taken(trained: Path, capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "train", "photos", *QUICK, "--name", "first")
    assert "the run runs/first exists; resume it with --resume, or give another --name." in text
    assert "expected a plain name for --name" in refused(capsys, "train", "photos", *QUICK, "--name", "../first")


def test_resuming_what_is_not_there_or_with_other_settings(trained: Path, capsys: pytest.CaptureFixture[str]):
    assert "there is nothing to resume in runs/second" in refused(capsys, "train", "--name", "second", "--resume")
    assert "--resume needs the run's --name" in refused(capsys, "train", "photos", "--resume")
    text = refused(capsys, "train", "--name", "first", "--resume", "--set", "train.lr=0.5")
    assert "a resumed run keeps its settings: train.lr is 0.003; got 0.5. Leave it out, or start a new run." in text


def test_a_run_that_another_process_trains(trained: Path, capsys: pytest.CaptureFixture[str]):
    with files.lock(trained):
        text = refused(capsys, "train", "--name", "first", "--resume")
    assert f"runs/first is in use by another process (pid {os.getpid()}); wait for it, or give this run another --name." in text


def test_images_that_changed_since_the_run_began(trained: Path, capsys: pytest.CaptureFixture[str]):
    (trained / "result.json").unlink()
    one, other = Path("photos/circle/000.png"), Path("photos/square/000.png")
    one.write_bytes(other.read_bytes())
    text = refused(capsys, "train", "--name", "first", "--resume")
    assert "the images have changed since runs/first began: expected data" in text
    assert "Restore them, or start a new run." in text


def test_another_torch_than_the_run_began_with(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (trained / "result.json").unlink()
    environment = trained / "environment.json"
    found = json.loads(environment.read_text())
    run_record.add(trained, {environment.name: json.dumps({**found, "torch": "1.0"}).encode()})
    with monkeypatch.context() as patch:
        patch.setattr(decode, "stream", None)  # before an image is decoded
        text = refused(capsys, "train", "--name", "first", "--resume")
    assert f"runs/first began with torch 1.0; now it is {found['torch']}" in text


def test_a_full_disk_before_an_image_is_decoded(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 2_000_000))
    monkeypatch.setattr(decode, "stream", None)
    for command in ("train", "finetune"):
        done = run(capsys, command, str(photos), "--out", "new")
        assert done.code == 74
        assert "expected at least 100 MB free for the checkpoints and the model of a run in new; got 2 MB." in done.err
        assert "give a folder on another disk with --out." in done.err


def unfinished_with(folder: Path, **environment: int | str) -> None:
    """Make a finished run one that was interrupted, and that had begun with this environment."""
    (folder / "result.json").unlink()
    path = folder / "environment.json"
    run_record.add(folder, {path.name: json.dumps({**json.loads(path.read_text()), **environment}).encode()})


def test_another_number_of_threads_than_the_run_began_with(trained: Path, capsys: pytest.CaptureFixture[str]):
    unfinished_with(trained, threads=77)
    text = refused(capsys, "train", "--name", "first", "--resume")
    assert "runs/first began with threads 77; now it is" in text
    assert "Resume with threads 77, or start a new run." in text


@pytest.mark.parametrize("noted", [True, False])
def test_another_precision_than_the_run_began_with_before_an_image_is_decoded(
    noted: bool, trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(device, "bf16_on_cpu", lambda: (True, "as the test has it"))
    monkeypatch.setattr(decode, "stream", None)
    unfinished_with(trained)
    environment = json.loads((trained / "environment.json").read_text())
    assert environment["precision"] == "fp32"
    if not noted:  # as an earlier version left it
        del environment["precision"]
        run_record.add(trained, {"environment.json": json.dumps(environment).encode()})
    text = refused(capsys, "train", "--name", "first", "--resume")
    assert "runs/first began with precision fp32; now it is bf16, so it would not end with the same weights." in text
    assert "Resume with precision fp32 by ONEDNN_MAX_CPU_ISA=AVX512_CORE, or start a new run." in text


def test_another_precision_than_a_fold_began_with(trained: Path, capsys: pytest.CaptureFixture[str]):
    (trained / "result.json").unlink()
    fold = trained / "folds" / "fold-0"
    fold.mkdir(parents=True)
    shutil.copy(trained / "record.json", fold)
    environment = json.loads((trained / "environment.json").read_text())
    run_record.add(fold, {"environment.json": json.dumps({**environment, "precision": "bf16"}).encode()})
    text = refused(capsys, "train", "--name", "first", "--resume")
    assert "runs/first/folds/fold-0 began with precision bf16; now it is fp32" in text
    assert "Resume with precision bf16 on a processor that has it, or start a new run." in text
    run_record.add(fold, {"environment.json": json.dumps({**environment, "precision": "bf16", "device": "cuda:0"}).encode()})
    assert run(capsys, "train", "--name", "first", "--resume", "--no-report").code == 0, "a worker's, on another device"


def test_another_number_of_processes_than_the_run_began_with_needs_a_flag(trained: Path, capsys: pytest.CaptureFixture[str]):
    unfinished_with(trained, processes=3)
    text = refused(capsys, "train", "--name", "first", "--resume")
    assert "runs/first began with processes 3; now it is 1, so it would not end with the same weights." in text
    assert "Resume with processes 3, give --other-processes, or start a new run." in text
    done = run(capsys, "train", "--name", "first", "--resume", "--other-processes", "--no-report")
    assert done.code == 0
    said = " ".join(done.err.split())
    assert "began with 3 processes and continues with 1 process: it will not end with the same weights" in said
    assert '"event": "resumed"' in (trained / "journal.jsonl").read_text()


def test_a_setting_of_a_setting_that_has_none(trained: Path, capsys: pytest.CaptureFixture[str]):
    (trained / "result.json").unlink()
    text = refused(capsys, "train", "--name", "first", "--resume", "--set", "seed.x=1")
    assert "a resumed run keeps its settings: seed.x is 0; got 1." in text


def test_nothing_to_predict(trained: Path, capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "predict", "first", "photos/none-*.png")
    assert "expected a file, a folder or a glob that matches files; there is nothing at photos/none-*.png." in text
    Path("void").mkdir()
    assert "expected images in the folder void; it holds none." in refused(capsys, "predict", "first", "void")
    text = refused(capsys, "predict", "first", "photos", "--out", "rows.xlsx")
    assert "expected a file that ends in .csv, .jsonl, .ndjson, .parquet; got rows.xlsx." in text


def test_a_class_that_the_model_does_not_know(here: Path, trained: Path, capsys: pytest.CaptureFixture[str]):
    (here / "photos" / "circle").rename(here / "photos" / "circles")
    text = refused(capsys, "evaluate", "first", "photos")
    assert "the model has no class 'circles' (1 of the data's 3 classes are unknown to it); did you mean circle?" in text


def test_settings_without_data_to_apply_to(trained: Path, capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "evaluate", "first", "--set", "data.label_column=species")
    assert "label_column apply to DATA, and there is none; give it, or remove them." in text
    text = refused(capsys, "data", "photos", "--set", "train.epochs=3")
    assert "train does not apply to this command, which takes settings of data alone; remove it." in text
