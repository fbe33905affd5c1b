"""Corrections of labels: what they change, that they leave the split alone, and what is refused."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from striate.base.config import Data
from striate.base.errors import DataError, SettingError
from striate.data import label_edits, sources
from striate.data.examples import Examples, Ignored, Part
from striate.data.examples_from_source import ids_of
from striate.data.split import Split, divide


def ten(parts: list[int] | None = None) -> Examples:
    """Ten cats and ten dogs."""
    names = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(10)]
    return Examples(
        Path("photos"), tuple(names), np.repeat([0, 1], 10), ("cat", "dog"), ids_of(names),
        np.array(parts or [Part.FREE] * 20, np.uint8),
    )  # fmt: skip


def edited(tmp_path: Path, relabel: str | None = None, exclude: str | None = None, parts: list[int] | None = None) -> Examples:
    files = {}
    for name, content in (("relabel", relabel), ("exclude", exclude)):
        if content is not None:
            files[name] = str(tmp_path / (f"{name}.csv" if "," in content or name == "relabel" else f"{name}.txt"))
            Path(files[name]).write_text(content)
    return label_edits.apply(ten(parts), Data(path="photos", **files))


def divided(examples: Examples) -> Split:
    return divide(examples, np.arange(20, dtype=np.uint64), Data())


def test_images_have_the_labels_of_the_table_and_the_record_says_which(tmp_path: Path):
    found = edited(tmp_path, "path,label,new_label\ncat/3.png,cat,dog\ndog/0.png,dog,\ndog/1.png,dog,dog\n")
    assert found.labels_N.tolist() == [0, 0, 0, 1, *[0] * 6, *[1] * 10]
    (edit,) = found.edits
    assert (edit.setting, edit.entries) == (
        "relabel",
        (("cat/3.png", "cat", "dog"),),
    )  # an empty or equal label changes nothing
    assert edit.sha256 == sha256((tmp_path / "relabel.csv").read_bytes()).hexdigest()
    assert edit.as_json()["images"] == 1
    assert found.counts() == {"cat": 9, "dog": 11}


def test_a_table_of_path_and_label_alone_and_other_spellings_of_a_path(tmp_path: Path):
    found = edited(tmp_path, f"path;label\ncat\\3.png;dog\n{Path('photos/cat/4.png').absolute()};dog\nphotos/cat/5.png;dog\n")
    assert [entry[0] for entry in found.edits[0].entries] == ["cat/3.png", "cat/4.png", "cat/5.png"]


@pytest.mark.parametrize(
    "content", ["cat/3.png\n\ndog/7.png\n", "rank,path\n1,cat/3.png\n2,dog/7.png\n", "image,n\ncat/3.png,1\ndog/7.png,2\n"]
)
def test_excluded_images_are_in_no_part_and_in_the_account(tmp_path: Path, content: str):
    found = edited(tmp_path, exclude=content)
    assert found.used_M().tolist() == [*range(3), *range(4, 17), 18, 19]
    assert found.counts() == {"cat": 9, "dog": 9}
    assert [left.path for left in found.ignored] == ["cat/3.png", "dog/7.png"]
    assert found.ignored[0] == Ignored("cat/3.png", f"data.exclude={found.edits[0].file}")
    assert {3, 17}.isdisjoint(np.concatenate([divided(found).train_M, divided(found).val_M, divided(found).test_M]).tolist())


def test_corrections_leave_all_other_images_in_their_parts(tmp_path: Path):
    before = divided(ten())
    gone, other = int(before.test_M[0]), int(before.train_M[0])
    after = divided(
        edited(tmp_path, f"path,label\n{ten().names[other]},{'dog' if other < 10 else 'cat'}\n", f"{ten().names[gone]}\n")
    )
    assert after.train_M.tolist() == before.train_M.tolist()
    assert after.val_M.tolist() == before.val_M.tolist()
    assert after.test_M.tolist() == before.test_M.tolist()[1:]


def test_it_is_said_how_many_corrected_images_are_test_images(tmp_path: Path):
    parts = [Part.TEST] * 2 + [Part.TRAIN] * 8 + [Part.TEST] * 2 + [Part.TRAIN] * 8
    found = edited(tmp_path, "path,label\ncat/0.png,dog\ncat/5.png,dog\n", "dog/5.png\n", parts)
    notes = [note for note in divided(found).notes if "relabeled" in note or "left out" in note]
    assert notes == [
        f"{tmp_path / 'relabel.csv'}: 2 images relabeled, 1 of them in the test part, so scores compare only with those of "
        "runs whose test part is corrected in the same way.",
        f"{tmp_path / 'exclude.txt'}: 1 image left out.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\ncat/3.png,dig\n", "expected a class of the data for cat/3.png; got 'dig'; did you mean dog?"),
        ("path,label\ncat/33.png,dog\n", "expected paths of images in photos; there is none for cat/33.png. Write them as"),
        ("file,label\ncat/3.png,dog\n", "expected the columns path and new_label, or path and label; got file and label."),
        ("path,label\ncat/3.png,dog\ncat/3.png,cat\n", "cat/3.png is listed as 'dog' and as 'cat'. Keep one of them."),
        ("path,label\n" + "".join(f"cat/{n}.png,dog\n" for n in range(10)), "leaves none of class 'cat'"),
    ],
)
def test_entries_that_cannot_be_meant_are_refused(tmp_path: Path, content: str, message: str):
    with pytest.raises(DataError) as error:
        edited(tmp_path, content)
    assert message in str(error.value)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match=r"expected a file for data\.exclude at gone\.txt; there is none"):
        sources.read(Data(path="digits", exclude="gone.txt"))
