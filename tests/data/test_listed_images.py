from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.errors import DataError
from striate.data import image_inputs

pyarrow = pytest.importorskip("pyarrow", reason="of the extra tables")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder `photos` with three images, beside which the tables are written."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for n in range(3):
        Image.new("L", (8, 8), 50 * n).save(f"photos/{n}.png")


def named(given: object) -> list[tuple[str, object]]:
    return [(image.name, image.source) for image in image_inputs.read(given).images]


def test_each_row_of_a_table_is_an_image_in_the_order_of_the_rows():
    Path("list.csv").write_text("label;file\nb;2.png\na;0.png\n;0.png\nc;\nd;gone.png\n")
    given = image_inputs.read("list.csv")
    assert (given.single, given.total) == (False, 5)
    files = [Path("photos") / name for name in ("2.png", "0.png", "0.png")]
    assert named("list.csv") == [
        *((str(file), file) for file in files), ("list.csv[3]", None), ("photos/gone.png", Path("photos/gone.png"))
    ]  # fmt: skip
    assert [name for name, _ in named(["photos", "list.csv"])][3:] == [name for name, _ in named("list.csv")]


def test_a_row_that_does_not_fit_under_the_header_says_so():
    Path("list.csv").write_text("path,label\nphotos/1.png,a\n\nphotos/2.png,b,c\nphotos/0.png,b\n")
    images = [*image_inputs.read("list.csv").images]
    assert [(image.name, image.reason) for image in images if image.source is None] == [
        ("list.csv[1]", "expected 2 fields; got 3")
    ]
    assert [image.name for image in images] == ["photos/1.png", "list.csv[1]", "photos/0.png"]


def test_a_parquet_table_has_paths_or_the_images_themselves():
    import pyarrow.parquet

    paths = pyarrow.table({"image_path": ["photos/0.png", None, "photos/1.png"], "size": [1.5, 2.5, 3.5]})
    pyarrow.parquet.write_table(paths, "paths.parquet")
    assert [name for name, _ in named("paths.parquet")] == ["photos/0.png", "paths.parquet[1]", "photos/1.png"]
    contents = [Path("photos/2.png").read_bytes(), None]
    pyarrow.parquet.write_table(pyarrow.table({"label": ["a", "b"], "scan": contents}), "images.parquet")
    assert named("images.parquet") == [("images.parquet[0]", contents[0]), ("images.parquet[1]", None)]
    assert image_inputs.read("images.parquet").total == 2


def test_what_is_no_list_of_images_is_refused_with_what_to_do():
    def refused(words: str, content: bytes) -> None:
        Path("list.csv").write_bytes(content)
        with pytest.raises(DataError, match=words):
            image_inputs.read("list.csv")

    refused(r"expected a column with the paths .* columns are a, b\. Rename it to path\.$", b"a,b\n1,2\n")
    refused(r"each of the columns img, file may be meant\. Rename the one that is to path\.$", b"img,file\n1,2\n")
    refused(r"first line names the file photos/0.png\. Write path above it\.$", b"photos/0.png\nphotos/1.png\n")
    refused(r"expected rows below the header; there are none\.$", b"path\n")
    refused(r"line 2 holds the bytes c4 e3 ba c3\. Save it as CSV in UTF-8\.$", "path\n你好.png\n".encode("gb18030"))


def test_a_data_set_of_hugging_face_is_one_by_name_or_by_its_folder():
    datasets = pytest.importorskip("datasets", reason="of the extra hf")
    pixels = [Image.fromarray(np.full((8, 8, 3), n, np.uint8)) for n in range(3)]
    features = datasets.Features({"label": datasets.ClassLabel(names=["a", "b"]), "scan": datasets.Image()})
    one = datasets.Dataset.from_dict({"label": [0, 1, 0], "scan": [*pixels[:2], None]}, features=features)
    one.save_to_disk("one")
    datasets.DatasetDict({"train": one, "test": one.select([1])}).save_to_disk("two")
    for given in ("one", f"hf:{Path('one').absolute()}"):
        images = [*image_inputs.read(given).images]
        assert [image.name for image in images] == [f"{given}[{n}]" for n in range(3)]
        assert isinstance(images[1].source, bytes)
        assert images[2].source is None
    assert [name for name, _ in named("two")] == ["two/train[0]", "two/train[1]", "two/train[2]", "two/test[0]"]
    assert image_inputs.read("two").total == 4
    datasets.Dataset.from_dict({"label": [0, 1]}).save_to_disk("none")
    with pytest.raises(DataError, match=r"^none: expected a column of images; its columns are 'label'\.$"):
        image_inputs.read("none")
