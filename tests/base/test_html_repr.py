"""What a notebook shows of results: tables of escaped text."""

import json
from typing import Any, NamedTuple

import pytest

from striate.base.html_repr import HtmlDict, HtmlList, of_mapping, shown


def value(html: str) -> str:
    """The one value of a table of one row."""
    return html.partition("<td>")[2].removesuffix("</td></tr></table>")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("test", {"accuracy": 0.88022, "low": 0.8, "high": 0.9, "n": 1797}, "88.02 % (80.00 % to 90.00 %, 1,797 images)"),
        ("probability", 0.969444, "96.94 %"),
        ("loss", 0.1234567, "0.1235"),
        ("parameters", 60965224, "60,965,224"),
        ("seed", 2026, "2026"),
        ("report", None, "-"),
        ("abstained", False, "no"),
        ("classes", ("a", "b"), "a, b"),
        ("losses", [0.5] * 12, ", ".join(["0.5"] * 10) + " and 2 more"),
        ("name", "<b>\x1b[1m&", "&lt;b&gt;\\x1b[1m&amp;"),
        ("text", "a" * 301, "a" * 300 + "..."),
        ("folds", [], "-"),
    ],
)
def test_a_value_is_shown_as_people_read_it(name: str, content: Any, text: str):
    assert value(of_mapping({name: content})) == text


def test_names_are_data():
    assert "<script>" not in of_mapping({"<script>": {"<script>": ["<script>", {"<script>": "<script>"}]}})


class Pair(NamedTuple):
    name: str
    share: float


def test_rows_with_names_are_a_table_under_their_names():
    html = shown([Pair("a", 0.5), Pair("b", 0.25)])._repr_html_()
    assert html == (
        "<table><tr><th>name</th><th>share</th></tr>"
        "<tr><td>a</td><td>50.00 %</td></tr>"
        "<tr><td>b</td><td>25.00 %</td></tr></table>"
    )


def test_dictionaries_of_the_same_keys_are_rows_under_them():
    html = of_mapping({"per_class": {"a": {"f1": 0.5}, "b": {"f1": 1.0}}})
    assert html.endswith(
        "<td><table><tr><th></th><th>f1</th></tr><tr><td>a</td><td>0.5</td></tr><tr><td>b</td><td>1</td></tr></table></td></tr></table>"
    )


def test_long_lists_and_deep_values_are_shortened():
    html = HtmlList({"n": row} for row in range(53))._repr_html_()
    assert html.count("<tr>") == 51
    assert html.endswith("</table> and 3 more")
    deep: dict[str, Any] = {"a": 1, "b": 2}
    for _ in range(5):
        deep = {"inner": deep}
    assert "1 entries" in of_mapping(deep)


def test_a_result_is_what_it_was():
    result = {"run": "runs/a", "test": None}
    assert shown(result) == result
    assert json.dumps(shown(result)) == json.dumps(result)
    assert type(shown(result)) is HtmlDict
    assert shown([1, 2]) == [1, 2]
    for other in (Pair("a", 1.0), "text", None, shown(result)):
        assert shown(other) is other
