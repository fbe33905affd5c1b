"""Names of files and classes come from outside: they are text in JSON, in one line of the log, and on the page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from striate.workflows import image_page
from striate.workflows.serve.loaded_model import Inferred
from support.serving import MeanModel, Running, png, running

PAGE = Path("src/striate/workflows/serve/page")
TAGS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>", "<math><mtext><script>alert(1)</script>", "<a href=javascript:alert(1)>x</a>",
    "<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>", "<object data=data:text/html,x>",
    "<style>@import'x'</style>", "<link rel=stylesheet href=x>", "<meta http-equiv=refresh content=0>", "<base href=//evil>",
    "<form action=x><input type=submit>", "</title><script>alert(1)</script>", "</script><script>alert(1)</script>",
    "<!--<img src=--><img src=x onerror=alert(1)>", "<template><script>alert(1)</script></template>", "<x contenteditable>",
)  # fmt: skip
OTHERS = (
    '"><script>alert(1)</script>', "'><img src=x>", '" onmouseover="alert(1)', "' onfocus='alert(1)", "`${alert(1)}`",
    "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{% debug %}", "javascript:alert(1)", "data:text/html,<b>x", "%3Cscript%3E",
    "&lt;script&gt;", "\\u003cscript\\u003e", "\u2028alert(1)\u2029", "\u202egnp.exe", "=HYPERLINK(1)", "\ufeff<b>",
    "\U000e0041x",
)  # fmt: skip
NAMES = TAGS + OTHERS


class Named(MeanModel):
    """A model whose class is called so."""

    name_of_class = ""

    async def infer(self, pixels_NHWC: object) -> list[Inferred]:  # type: ignore[override]
        answers = await super().infer(pixels_NHWC)  # type: ignore[arg-type]
        return [answer._replace(row={"label": self.name_of_class}) for answer in answers]


@pytest.fixture(scope="module")
def model() -> Named:
    return Named()


@pytest.fixture(scope="module")
def served(model: Named) -> Iterator[Running]:
    with running(model) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_in_json_and_one_line_of_the_log(served: Running, model: Named, name: str):
    model.name_of_class = name
    model.description["classes"] = [name, "light"]
    answer = served.client.post("/v1/predict", files={"file": (name, png(1))})
    assert answer.status_code == 200
    (row,) = answer.json()["predictions"]
    assert row["label"] == name
    assert row["path"].isprintable()
    described = served.client.get("/v1/model")
    assert described.json()["classes"][0] == name
    missing = served.client.get("/" + quote(name, safe=""))
    assert missing.json() == {"error": "there is nothing here."}
    for response in (answer, described, missing):
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert name not in response.headers.values()
    assert all("\n" not in json.dumps(entry) for entry in served.log[-3:])


def test_there_are_40_names():
    assert len(set(NAMES)) == 40


def test_the_page_has_no_way_to_make_elements_from_text():
    files = image_page.files(PAGE)
    script = (files["page.js"] + files["image_page.js"]).decode()
    ways = "innerHTML outerHTML insertAdjacentHTML document.write eval( Function( srcdoc setAttribute createContextualFragment"
    assert not [way for way in ways.split() if way in script]
    page = files["index.html"].decode()
    assert not re.findall(r"\son\w+=", page)
    assert page.count("<script") == 1
    assert '<script src="page.js" type="module"></script>' in page
