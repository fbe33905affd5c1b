"""What the rules say of their choices, in the language of the page: known sentences are translated, others stay English."""

import re
from functools import cache
from typing import NamedTuple

from striate.lab.texts import read


class Sentence(NamedTuple):
    """A sentence for a page, and the language that it is in."""

    text: str
    language: str


def in_language(reason: str, language: str) -> Sentence:
    """A reason of a rule; where several are joined by `; `, each is translated.

    >>> in_language("gray: the images have no color; size 28 px: the median short side is 28 px", "zh").text
    '灰度：图像没有颜色；尺寸 28 像素：短边的中位数为 28 像素'
    """
    if language == "en":
        return Sentence(reason, "en")
    if (whole := translated(reason)) is not None:
        return Sentence(whole, language)
    parts = [translated(part) for part in reason.split("; ")]
    if None in parts:
        return Sentence(reason, "en")
    return Sentence("；".join(str(part) for part in parts), language)


def translated(reason: str) -> str | None:
    """A single reason in Chinese; None where it is not known."""
    for pattern, chinese in _patterns():
        if match := pattern.fullmatch(reason):
            values = {name: re.sub(", | and ", "、", value) for name, value in match.groupdict().items()}
            return chinese.format(**values)
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Each English sentence as a pattern of its values, with its Chinese."""
    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^;]+?)", re.escape(row["en"]))), row["zh"])
        for row in read("reasons")["reasons"]
    ]
