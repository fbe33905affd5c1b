"""What holds for every page that striate writes: it parses, is complete in itself, and speaks to those who cannot see it."""

import re
from typing import Any

import html5lib


def parsed(text: str) -> Any:
    """The elements of a page; a page that is not HTML as the standard has it is refused with where and why."""
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parse(text)
    assert parser.errors == []
    return tree


def check(text: str) -> Any:
    """All rules at once; gives the elements."""
    tree = parsed(text)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), [one for one in ids if ids.count(one) > 1]
    assert not list(tree.iter("script"))
    for element in tree.iter():
        for name in ("href", "src", "{http://www.w3.org/1999/xlink}href", "xlink:href"):
            target = element.get(name)
            if target is None:
                continue
            assert target.startswith(("#", "data:")), target
            assert not target.startswith("#") or target[1:] in ids, target
    assert not re.search(r"@import|url\((?!#)", text)
    assert not re.search(r"url\(#([^)]+)\)", text) or {*re.findall(r"url\(#([^)]+)\)", text)} <= {*ids}
    for image in tree.iter("img"):
        assert (image.get("alt") or "").strip()
    for drawing in tree.iter("{http://www.w3.org/2000/svg}svg"):
        assert drawing.get("role") == "img"
        assert drawing.get("aria-labelledby") in ids
    assert tree.find(".//title").text
    assert tree.get("lang") == "en"
    return tree
