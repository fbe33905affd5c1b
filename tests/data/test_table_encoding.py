"""Tables that are not in UTF-8: Western European ones are read, others refused with the encodings in which they are text."""

import re
from pathlib import Path

import pytest

from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.data.table_encoding import decode, proposals

PATH = Path("table.csv")


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (("狗", "猫"), "gb18030"),
        (("金属", "塑料", "玻璃"), "gb18030"),
        (("猫", "犬"), "cp932"),
        (("ネコ", "いぬ"), "cp932"),
        (("貓", "狗"), "big5"),
        (("кошка", "собака"), "cp1251"),
    ],
)
def test_the_encoding_of_the_language_is_proposed_first(words: tuple[str, ...], encoding: str):
    content = "".join(f"{number}.png,{word}\n" for number, word in enumerate(words)).encode(encoding)
    assert proposals(content)[0] == encoding
    with pytest.raises(
        DataError,
        match=rf"in {encoding} it is '\d\.png,{words[0]}'.* as {re.escape(setting('data.table_encoding', encoding))}, or",
    ):
        decode(PATH, content, None)
    assert words[0] in decode(PATH, content, encoding).text


def test_korean_is_among_those_that_are_shown():
    with pytest.raises(DataError, match=r"in cp949 it is '1\.png,고양이'"):
        decode(PATH, "1.png,고양이\n".encode("cp949"), None)


@pytest.mark.parametrize("text", ["1.png,chêne\n2.png,mélèze\n", "1.png,créée\n", "1.png,Käfer\n2.png,Öl\n3.png,große Maß\n"])
def test_western_european_letters_stand_alone_and_are_read(text: str):
    assert decode(PATH, text.encode("cp1252"), None) == (text, "cp1252")


def test_the_refusal_names_the_line():
    content = b"path,label\n1.png,cat\n2.png," + "狗\n".encode("gb18030")
    with pytest.raises(DataError) as refused:
        decode(PATH, content, None)
    assert str(refused.value).startswith(
        "table.csv is not a CSV table in UTF-8: line 3 holds the bytes b9 b7; in gb18030 it is '2.png,狗'"
    )
    assert str(refused.value).endswith(
        "Name the encoding, as settings={'data': {'table_encoding': 'gb18030'}}, or save it as CSV in UTF-8."
    )


def test_an_encoding_that_is_named_and_does_not_decode_is_not_proposed_again():
    with pytest.raises(DataError, match=r"is not a CSV table in ascii: line 1 holds the bytes c3 a8; in gb18030 it is '猫'"):
        decode(PATH, "猫".encode("gb18030"), "ascii")


def test_bytes_that_are_text_in_none_of_them_get_no_proposal():
    with pytest.raises(
        DataError, match=r"line 1 holds the bytes 81 ff\. Save it as CSV in UTF-8, or name its encoding with settings="
    ):
        decode(PATH, b"\x81\xff\n\xff\xff\x98\xa0,\x81 \x98", "utf-8")
