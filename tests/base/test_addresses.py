import pytest

from striate.base import addresses
from striate.base.settings import Data


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(addresses, "_secrets", {})


@pytest.mark.parametrize(
    ("given", "clean", "complete"),
    [
        ("https://me:w%40rd@host:8/a/b?sig=x/y==#c", "https://host:8/a/b", "https://me:w%40rd@host:8/a/b/s.tar?sig=x/y=="),
        ("HTTPS:/me@host/a/", "https://host/a", "https://me@host/a/s.tar"),
        ("http://host/a/striate.index?key=1", "http://host/a/striate.index", "http://host/a/s.tar?key=1"),
        ("s3://bucket/a", "s3://bucket/a", "s3://bucket/a/s.tar"),
        ("file:/a/b", "file:///a/b", "file:///a/b/s.tar"),
    ],
)
def test_an_address_is_shown_without_its_secrets_and_used_with_them(given: str, clean: str, complete: str):
    assert addresses.take(given) == clean
    folder = clean.removesuffix("/striate.index")
    assert addresses.complete(f"{folder}/s.tar") == complete
    assert addresses.shown(addresses.as_path(given)) == clean
    assert Data(path=given).path == clean


def test_secrets_go_to_files_below_their_address_alone():
    addresses.take("https://me:word@host/a?key=1")
    addresses.take("https://host/a")  # given again without them
    for other in ("https://host/b", "https://host/ab", "https://other/a", "http://host/a"):
        assert addresses.complete(other) == other
    assert addresses.complete("https://host/a/1") == "https://me:word@host/a/1?key=1"
    assert addresses.redacted("GET https://me:word@host/a?key=1 failed") == "GET https://***@host/a?*** failed"


@pytest.mark.parametrize("text", ["photos", "C:/photos", "C:\\photos", "a:b", "hf:/data/photos", "hf://data", "./s3:/x", ""])
def test_what_is_no_address_stays_as_it_is(text: str):
    assert not addresses.is_address(text)
    assert addresses.take(text) == text
