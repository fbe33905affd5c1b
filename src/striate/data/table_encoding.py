"""The encoding of a CSV table: what its bytes say for certain, else a refusal that proposes those which decode it.

Text in cp1252, Western Europe's, has few letters beyond ASCII, each alone between others. Characters of Chinese, Japanese and
Korean encodings are pairs of bytes, and words of Cyrillic are rows of them, so that bytes beyond ASCII stand in runs.
"""

import codecs
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from striate.base.errors import DataError
from striate.base.option_names import setting

_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_PROPOSED, _SHOWN = 3, 40  # encodings, and characters of the line in each


class Decoded(NamedTuple):
    """The text of a table, and its encoding."""

    text: str
    encoding: str


def decode(path: Path, content: bytes, named: str | None, advise: bool = True) -> Decoded:
    """The text of a file in the encoding that is named or that its first bytes say, else UTF-8, else cp1252.

    With `advise`, a message tells of the setting that names the encoding.

    Raises:
        DataError: it is in none of these, with the line and the encodings that it may be in.

    """
    if (name := named or _marked(path, content)) is not None:
        try:
            return Decoded(content.decode(name), "utf-16" if name.startswith("utf-16") else name)
        except UnicodeDecodeError as error:
            raise DataError(_refusal(path, content, error, name, advise)) from None
    try:
        return Decoded(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        if not _stands_in_runs(content):
            try:
                return Decoded(content.decode("cp1252"), "cp1252")
            except UnicodeDecodeError:
                pass
        raise DataError(_refusal(path, content, error, "UTF-8", advise)) from None


def _marked(path: Path, content: bytes) -> str | None:
    """The encoding that the first bytes say; None where they say none."""
    if (name := next((name for bom, name in _BOMS.items() if content.startswith(bom)), None)) is not None:
        return name
    if b"\0" in content[:2]:
        return "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    if b"\0" in content:
        raise DataError(f"{path} is not a CSV table: it holds zero bytes. Save it as CSV in UTF-8.")
    return None


def _stands_in_runs(content: bytes) -> bool:
    """Whether at least half of the bytes beyond ASCII stand side by side; two within a word, as in créée, do not count."""
    runs = re.findall(rb"[\x80-\xff]+", content)
    within = re.findall(rb"(?<=[A-Za-z])[\x80-\xff]{2}(?=[A-Za-z])", content)
    return 2 * (sum(len(run) for run in runs if len(run) > 1) - 2 * len(within)) >= sum(map(len, runs))


def _refusal(path: Path, content: bytes, error: UnicodeDecodeError, name: str, advise: bool) -> str:
    number = content.count(b"\n", 0, error.start) + 1
    line = content.splitlines()[number - 1] if b"\n" in content else content
    problem = f"{path} is not a CSV table in {name}: line {number} holds the bytes {_hex(content, error.start)}"
    names = [encoding for encoding in proposals(content) if encoding != name][:_PROPOSED]
    readings = [f"in {encoding} it is {line.decode(encoding, 'replace').strip()[:_SHOWN]!r}" for encoding in names]
    if not advise:
        return f"{problem}. Save it as CSV in UTF-8."
    if not names:
        return f"{problem}. Save it as CSV in UTF-8, or name its encoding with {setting('data.table_encoding')}."
    advice = f"Name the encoding, as {setting('data.table_encoding', names[0])}, or save it as CSV in UTF-8."
    return f"{problem}; {', '.join(readings)}. {advice}"


def _hex(content: bytes, start: int) -> str:
    return content[start : start + 4].split(b"\n")[0].hex(" ")


def proposals(content: bytes) -> list[str]:
    """The encodings in which the bytes are text, those first in which most of it is everyday characters of the language."""
    shares = {name: share for name in _EVERYDAY if (share := _everyday_share(content, name)) is not None}
    return sorted(shares, key=lambda name: -shares[name])


def _everyday_share(content: bytes, name: str) -> float | None:
    """The share of the characters beyond ASCII that are everyday ones; None where the bytes are no text in the encoding."""
    try:
        characters = [character for character in content.decode(name) if ord(character) > 127]
    except UnicodeDecodeError:
        return None
    return sum(map(_EVERYDAY[name], characters)) / max(1, len(characters))


def _first_byte(character: str, encoding: str) -> int:
    try:
        return character.encode(encoding)[0]
    except UnicodeEncodeError:
        return 0


_EVERYDAY: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {  # the standards order characters by how usual they are: their first levels
        "gb18030": lambda character: 0xB0 <= _first_byte(character, "gb2312") <= 0xD7,
        "cp932": lambda character: "\u3041" <= character <= "\u30fe" or 0x88 <= _first_byte(character, "cp932") <= 0x97,
        "big5": lambda character: 0xA4 <= _first_byte(character, "big5") <= 0xC6,
        "cp949": lambda character: "\uac00" <= character <= "\ud7a3",
        "cp1251": lambda character: "\u0430" <= character <= "\u044f",
        "cp1252": str.islower,
    }
)
