"""The texts of the pages, in English and in Chinese: a TOML file for each page, and `common.toml` for all."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = {"en": "English", "zh": "中文"}
_FOLDER = Path(__file__).with_name("texts")


class Texts:
    """The texts of a page in one language.

    >>> Texts("common", "en")("language")
    'English'

    """

    def __init__(self, page: str, language: str) -> None:
        self.page, self.language = page, language
        self._tree = read(page)

    def __call__(self, key: str, **values: Any) -> str:
        """The text under a key with dots, such as `controls.padding`; `{name}` in it is filled from the values."""
        entry = self._entry(key)
        if not _is_text(entry):
            raise KeyError(f"{self.page}.toml has no text {key}")
        text: str = entry[self.language]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is a text under this key."""
        return _is_text(self._entry(key))

    def all_of(self, key: str) -> list[str]:
        """The texts under a key with several, such as paragraphs."""
        return [text[self.language] for text in self._entry(key) or []]

    def each(self, key: str, names: Sequence[str]) -> list[str]:
        """The texts of these names under a key."""
        return [self(f"{key}.{name}") for name in names]

    def under(self, key: str) -> dict[str, str]:
        """All texts that lie directly under a key, by their names: what the script of the page is given."""
        return {name: text[self.language] for name, text in (self._entry(key) or {}).items() if _is_text(text)}

    def _entry(self, key: str) -> Any:
        entry: Any = self._tree
        for part in key.split("."):
            entry = entry.get(part) if isinstance(entry, Mapping) else None
        return entry


def _is_text(entry: Any) -> bool:
    return isinstance(entry, Mapping) and set(entry) == set(LANGUAGES)


@cache
def read(page: str) -> dict[str, Any]:
    """What the file of a page holds."""
    return tomllib.loads((_FOLDER / f"{page}.toml").read_text("utf-8"))


def pages() -> list[str]:
    """The names of all files of texts."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))
