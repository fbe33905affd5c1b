"""Groups by names of files, folders and bursts; a table's columns are tested with the tables."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from striate.base.config import Data, data_section
from striate.base.errors import DataError, SettingError
from striate.data import groups, sources
from striate.data.examples import Examples
from striate.data.examples_from_source import from_files
from striate.data.survey import survey

NAMES = ("a/p1_1.png", "a/p1_2.png", "a/p2_1.png", "b/p2_2.png", "b/p3_1.png", "b/odd.png")


def listed(root: Path, names: tuple[str, ...] = NAMES) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def read(root: Path, group: str) -> Examples:
    return sources.read(Data(path=str(root), group=group))


def together(examples: Examples) -> list[list[str]]:
    assert examples.groups_N is not None
    names = np.array(examples.names)
    return sorted(names[examples.groups_N == one].tolist() for one in np.unique(examples.groups_N))


def test_groups_by_names_of_files_and_those_that_do_not_match_stand_alone(tmp_path: Path):
    examples = read(listed(tmp_path), r"name:(p\d)_\d")
    assert together(examples) == [["a/p1_1.png", "a/p1_2.png"], ["a/p2_1.png", "b/p2_2.png"], ["b/odd.png"], ["b/p3_1.png"]]
    assert examples.notes[-2:] == (
        r"1 name of files, as odd.png, does not match --group 'name:(p\d)_\d'; each is a group of its own.",
        r"6 images in 4 groups by --group 'name:(p\d)_\d', the largest of 2, as a/p1_1.png; each group stays on one side of "
        "the split.",
    )
    data = Data(group=r"name:(p\d)_\d")
    assert groups.account(examples, data) == {"by": r"name:(p\d)_\d", "groups": 4, "largest": 2, "alone": 2}
    assert groups.account(sources.read(Data(path=str(tmp_path))), Data()) is None


def test_groups_by_folders(tmp_path: Path):
    root = listed(tmp_path, ("a/p1/1.png", "a/p1/2.png", "a/3.png", "b/p1/4.png", "b/p1/5.png"))
    assert together(read(root, "parent")) == [["a/3.png"], ["a/p1/1.png", "a/p1/2.png"], ["b/p1/4.png", "b/p1/5.png"]]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (r"name:(scan)", r"--group 'name:\(scan\)' matches none of 6 names of files, as odd\.png\. Write an expression whose"),
        (r"name:(.+)", r"each of the 6 images is a group of its own by --group .*, as a/odd\.png; expected images that share"),
        (r"name:.+(\.)png", r"all 6 images are of one group by --group .*, so they cannot be divided; expected several groups"),
        (
            "patient",
            r"--group patient names a column of a table; .* is none\. Take groups .* --group 'name:\(\.\+\)_\[0-9\]\+'",
        ),
    ],
)
def test_groups_that_divide_nothing_are_refused(tmp_path: Path, group: str, message: str):
    root = listed(tmp_path, tuple(name.replace("b/odd", "a/odd") for name in NAMES))
    with pytest.raises(DataError, match=message):
        read(root, group)


def test_a_table_has_groups_by_column_or_by_name(tmp_path: Path):
    rows = [f"{name},{name[0]},{who}" for name, who in zip(NAMES, "xxyyz", strict=False)]
    (listed(tmp_path) / "images.csv").write_text("\n".join(["path,label,patient", *rows, "b/odd.png,b,z"]))
    assert len(together(read(tmp_path / "images.csv", "patient"))) == 3
    assert len(together(read(tmp_path / "images.csv", r"name:(p\d)_\d"))) == 4
    with pytest.raises(DataError, match=r"expected a column 'patent'; its columns are .*\. Did you mean 'patient'\?"):
        read(tmp_path / "images.csv", "patent")


@pytest.mark.parametrize("group", ["name:(.)", "parent", "exif:burst", "patient"])
def test_images_that_are_no_files_have_no_groups(group: str):
    with pytest.raises(DataError, match=rf"--group '?{re.escape(group)}"):
        sources.read(Data(path="digits", group=group))


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("name:scan", r"group must be a column, parent, exif:burst, or name: and a regular expression with one group"),
        ("name:(", r"group is no regular expression: .*; got 'name:\('"),
        ("exif:soon", r"group must be exif:burst, or exif: and a number of seconds, as exif:60; got 'exif:soon'"),
    ],
)
def test_what_says_no_groups_is_refused(group: str, message: str):
    with pytest.raises(SettingError, match=message):
        data_section("photos", {"group": group})


def test_an_expression_that_takes_years_is_named_by_its_own_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(groups.file_labels, "_SECONDS", 0.3)
    root = listed(tmp_path, (f"a/{'a' * 200}", "b/1"))
    with pytest.raises(DataError, match=r"--group 'name:\(\(\?:a\+\)\+\)b' takes longer than 0 s for 500 names"):
        read(root, "name:((?:a+)+)b")


def test_bursts_are_photographs_of_one_camera_each_within_seconds_of_another():
    camera_N = np.array([7, 7, 7, 7, 9, 0, 0], np.uint64)
    taken_N = np.array([100.0, 103.0, 109.1, 106.0, 100.0, 100.0, 100.0])
    assert groups.bursts(camera_N, taken_N).tolist() == [2, 2, 3, 2, 4, 0, 1]  # 100, 103, 106 are one burst; 109.1 is not
    assert len(set(groups.bursts(camera_N, taken_N, seconds=3.2)[:4].tolist())) == 1
    assert groups.bursts(camera_N[:0], taken_N[:0]).tolist() == []


def photographs(root: Path, taken: list[str]) -> Path:
    """One image for each time, of two classes in turn."""
    for number, time in enumerate(taken):
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = "K1"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = time
        path = root / "ab"[number % 2] / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (number, 5 * number, 90)).save(path, exif=exif)
    return root


def surveyed(root: Path, **settings: Any) -> Any:
    data = Data(path=str(root), **settings)
    return survey(sources.read(data), data)


def test_bursts_that_the_split_tears_are_offered_and_kept_together(tmp_path: Path):
    bursts = [f"2026:11:28 {hour:02}:00:{second:02}" for hour in range(10) for second in (0, 1, 2, 3)]
    root = photographs(tmp_path, bursts)
    result = surveyed(root)
    (offer,) = (note for note in result.notes if "burst" in note)
    assert offer.startswith("40 images are in 10 bursts: of one camera, at most 3 s apart. ")
    assert offer.endswith(" --group exif:burst keeps each on one side.")
    assert " of them lie on two sides of the split, as a/" in offer
    grouped = surveyed(root, group="exif:burst")
    assert grouped.groups == {"by": "exif:burst", "groups": 10, "largest": 4, "alone": 0}
    assert not any("keeps each on one side" in note for note in grouped.notes)
    assert sum(grouped.split.values()) == 40
    assert all(count % 4 == 0 for count in grouped.split.values())


def test_photographs_that_are_no_bursts_are_refused_as_groups(tmp_path: Path):
    root = photographs(tmp_path, [f"2026:11:28 10:{minute:02}:00" for minute in range(8)])
    (said,) = (note for note in surveyed(root, group="exif:burst").notes if "EXIF" in note)
    assert said == (
        "It cannot be trained with: no two of 8 images are of one camera and at most 3 s apart by their EXIF; 8 have a time. "
        "Leave out --group 'exif:burst', or give more seconds, as --group exif:60."
    )
    assert not any("burst" in note for note in surveyed(root).notes)
    everything = surveyed(root, group="exif:60")
    assert any("all 8 images are of one group by --group 'exif:60'" in note for note in everything.notes)


def test_groups_of_images_by_time_are_unknown_before_they_are_decoded():
    examples = from_files(Path("x"), [(name, name[0], 0) for name in NAMES])
    assert groups.apply(examples, Data(path="x", group="exif:burst")).groups_N is None


def test_near_duplicates_that_join_groups_are_named_where_the_test_set_is_too_large(tmp_path: Path):
    grouped = read(listed(tmp_path), r"name:(p\d)_")  # six images
    assert groups.overshoot(grouped, 1, 0.2, 1) == []
    assert groups.overshoot(grouped, 3, 0.2, 1) == [
        "Since groups and 1 pair of near-duplicates stay whole, 50 % of the images are for testing and not 20 %; smaller "
        "groups, or data.near_duplicates=false, would come nearer."
    ]
