from pathlib import Path
from typing import Any

import pytest

from striate.base.errors import SettingError
from striate.lab.options import LabOptions, check_options
from striate.lab.run import lab
from support.lab import client
from support.png_files import Kind, png

PHOTO = png(Kind(2, 8, False, False), 8, 8)
TOKEN = "a token that is long enough".replace(" ", "-")


def test_the_first_page_is_in_the_readers_language(tmp_path: Path):
    lab = client(tmp_path)
    assert lab.get("/", headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}).headers["location"] == "/zh/"
    assert lab.get("/", headers={"accept-language": "fr"}).headers["location"] == "/en/"
    assert '<html lang="zh-CN">' in lab.get("/zh/lessons").text


def test_what_is_opened_is_given_by_position(tmp_path: Path):
    with pytest.raises(SettingError, match="expected port from 0 to 65,535; got -1"):
        lab(tmp_path, root=tmp_path, out=tmp_path / "runs", port=-1)


@pytest.mark.parametrize("path", ["/fr/lessons", "/static/none.js", "/static/..%2fapp.py", "/none", "/api/none"])
def test_what_is_not_there_is_refused_with_a_sentence(tmp_path: Path, path: str):
    answer = client(tmp_path).get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_a_page_that_is_not_there_says_so_in_the_readers_language(tmp_path: Path):
    lab = client(tmp_path)
    answer = lab.get("/zh/none")
    assert (answer.status_code, "没有这个页面" in answer.text) == (404, True)
    answer = lab.get("/en/lessons/poling")
    assert (answer.status_code, "did you mean pooling?" in answer.text) == (404, True)


def test_a_value_out_of_range_is_refused(tmp_path: Path):
    answer = client(tmp_path).post("/api/en/lessons/pooling", json={"side": 9})
    assert (answer.status_code, answer.json()) == (422, {"error": "expected side from 2 to 3; got 9."})


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"{", 400, "expected JSON; got something else."),
        (b"[1]", 400, "expected a JSON object; got something else."),
        (b"[" * 100_000, 400, "expected JSON; got something else."),
        (b" " * (2**20 + 1), 413, "expected at most 1,048,576 bytes; got more."),
    ],
)
def test_a_body_that_is_no_object_is_refused(tmp_path: Path, content: bytes, status: int, sentence: str):
    answer = client(tmp_path).post("/api/en/lessons/pooling", content=content)
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})


def test_another_page_and_another_name_are_refused(tmp_path: Path):
    lab = client(tmp_path)
    assert lab.post("/api/en/lessons/pooling", json={}, headers={"origin": "http://elsewhere"}).status_code == 403
    assert lab.get("/en/lessons", headers={"host": "elsewhere"}).status_code == 421


def test_with_a_token_pages_are_shown_and_data_is_not(tmp_path: Path):
    lab = client(tmp_path, token=TOKEN)
    assert lab.get("/en/lessons").status_code == 200
    assert lab.get("/static/lab.css").status_code == 200
    assert lab.post("/api/en/lessons/pooling", json={}).status_code == 401
    assert lab.post("/api/en/lessons/pooling", json={}, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_no_page_has_a_script_or_style_of_its_own(tmp_path: Path):
    answer = client(tmp_path).get("/en/lessons/pooling")
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert " style=" not in answer.text
    assert " onclick=" not in answer.text


def test_an_image_that_was_sent_is_given_to_lessons_and_what_is_none_is_refused(tmp_path: Path):
    with client(tmp_path) as lab:
        name = lab.post("/api/images", content=PHOTO).json()["id"]
        assert len(name) == 16
        assert lab.get(f"/api/images/{name}").content == PHOTO
        refused = lab.post("/api/images", content=b"no image")
        assert refused.status_code == 422
        assert refused.json()["error"].startswith("The image is refused: ")
        assert lab.get("/api/images/0123456789abcdef").status_code == 422


def test_a_digit_to_draw_over(tmp_path: Path):
    rows = client(tmp_path).get("/api/drawings/digit-3/16").json()["rows"]
    assert [len(rows), len(rows[0]), max(map(max, rows)) > 200] == [16, 16, True]
    strokes = client(tmp_path).get("/api/drawings/stroke-1/19").json()["rows"]
    assert {level for row in strokes for level in row} == {0, 255}
    assert sum(map(sum, strokes)) == 13 * 255  # one pixel in each row from 3 to 15
    for name in ("cat", "digit-12", "stroke-x"):
        assert client(tmp_path).get(f"/api/drawings/{name}/16").status_code == 422


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"host": "0.0.0.0"}, "expected a token, since others can reach 0.0.0.0"),
        ({"port": 70000}, "expected port from 0 to 65,535; got 70,000."),
        ({"root": Path("/nowhere")}, "expected a folder as --root"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str):
    with pytest.raises(SettingError, match=sentence.replace(".", r"\.")):
        check_options(LabOptions(**options))
