"""Range requests against a server that misbehaves: each fault is tried again, or named with the address."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from striate.base import addresses
from striate.base.errors import DataError
from striate.data import http_ranges, remote_files
from support.range_server import RangeServer, serving

CONTENT = bytes(range(200))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    monkeypatch.setattr(remote_files, "WAITS", (0.01, 0.02, 0.03))
    monkeypatch.setattr(addresses, "_secrets", {})
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x y.tar").write_bytes(CONTENT)
    with serving(tmp_path) as server:
        yield server


def address(server: RangeServer) -> str:
    return addresses.join(f"{server.address}/a", "x y.tar")


def test_a_range_is_read_over_a_connection_that_stays_open(server: RangeServer):
    for begin, length in ((0, 10), (190, 10), (195, 10), (200, 10)):
        piece = remote_files.read(address(server), begin, length)
        assert piece == (CONTENT[begin : begin + length], 200)
    assert remote_files.size(address(server)) == 200
    assert [asked for _, asked, _ in server.requests] == [
        "bytes=0-9", "bytes=190-199", "bytes=195-204", "bytes=200-209", "bytes=0-0"
    ]  # fmt: skip
    assert server.connections <= 2, "an answer without a body may close its connection"


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 429, 408, "short", "drop"])
def test_what_fails_once_is_tried_again(server: RangeServer, fault: Any):
    server.faults["x y.tar"] = deque([fault, fault])
    assert remote_files.read(address(server), 10, 20).content == CONTENT[10:30]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (500, "the server answers 500 Internal Server Error"), ("short", "10 bytes came, and 20 were announced"),
        ("drop", "Remote end closed connection without response"), ("hang", "no answer within 0.2 s"),
    ],
)  # fmt: skip
def test_what_fails_always_is_named_with_the_address(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, fault: Any, reason: str
):
    monkeypatch.setattr(remote_files, "SECONDS", 0.2)
    server.always["x y.tar"] = fault
    with pytest.raises(DataError) as error:
        remote_files.read(address(server), 10, 20)
    assert str(error.value) == (
        f"{server.address}/a/x%20y.tar is not read, in 4 tries: {reason}. The server or the network may be the reason, so "
        "nothing is decided about its images: give the command again once it answers (a training is resumed with --resume)."
    )
    assert len(server.requests) == 4


def test_a_server_that_drips_is_given_up(server: RangeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote_files, "SECONDS", 0.3)  # each byte comes within it, all of them do not
    monkeypatch.setattr(remote_files, "LEAST_RATE", 1000)
    server.always["x y.tar"] = "slow"
    with pytest.raises(DataError, match=r"in 4 tries: not done within 0.65 s"):
        remote_files.read(address(server), 10, 50)


def test_nothing_listens(server: RangeServer, tmp_path: Path):
    with serving(tmp_path) as other:
        gone = other.address
    with pytest.raises(DataError, match=rf"^{gone}/a is not read, in 4 tries: Connection refused"):
        remote_files.read(f"{gone}/a", 0, 1)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (404, r"there is nothing at {} \(404 Not Found\)\. Copy it there, or write the shards anew"),
        (403, r"the server of {} refuses it \(403 Forbidden\)\. Give an address with its key, a user and a password"),
        (401, r"the server of {} refuses it \(401 Unauthorized\)"),
        (418, r"the server of {} answers 418 I'm a Teapot; expected 206"),
        ("whole", r"the server of {} sends whole files where parts of them are requested.*nginx.*or copy them to a disk"),
        (
            "elsewhere",
            r"the server of {} sends other bytes than were requested: expected Content-Range bytes 0-9/TOTAL; got 'by",
        ),
    ],
)
def test_what_no_other_try_mends_is_said_at_once(server: RangeServer, fault: Any, message: str):
    server.always["x y.tar"] = fault
    with pytest.raises(DataError, match=message.format(address(server))):
        remote_files.read(address(server), 0, 10)
    assert len(server.requests) == 1
    assert server.bytes <= 200


def test_a_redirection_is_followed_and_gets_no_password(server: RangeServer, tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "real").write_bytes(CONTENT[::-1])
    with serving(tmp_path) as other:
        server.always["x y.tar"] = f"{other.address}/b/real?signed=1"
        addresses.take(f"http://me:word@{server.host}/a")
        assert remote_files.read(address(server), 0, 5).content == CONTENT[::-1][:5]
        assert server.requests[0][2]["Authorization"] == "Basic bWU6d29yZA=="
        assert "Authorization" not in other.requests[0][2]
        assert other.requests[0][0] == "/b/real?signed=1"
    server.always["x y.tar"] = address(server)
    with pytest.raises(DataError, match="leads to another address 5 times"):
        remote_files.read(address(server), 0, 5)


def test_a_password_comes_from_the_address_or_from_netrc(server: RangeServer, tmp_path: Path):
    server.allowed = lambda headers, target: headers.get("Authorization") == "Basic bWU6d29yZA=="
    with pytest.raises(DataError, match="refuses it"):
        remote_files.read(address(server), 0, 5)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password word\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert remote_files.read(address(server), 0, 5).content == CONTENT[:5]
    addresses.take(f"http://me:swordfish@{server.host}/a?key=secret")
    with pytest.raises(DataError) as error:
        remote_files.read(address(server), 0, 5)
    assert "secret" not in str(error.value)
    assert "swordfish" not in str(error.value)
    assert server.requests[-1][0] == "/a/x%20y.tar?key=secret"


def test_a_proxy_of_the_environment_is_used(server: RangeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", f"http://me:word@{server.host}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for number in range(2):  # the second by the connection of the first
        http_ranges.read("http://shards.example/a/x%20y.tar", 0, 5, 5)
        target, _, headers = server.requests[number]
        assert target == "http://shards.example/a/x%20y.tar"
        assert headers["Proxy-Authorization"] == "Basic bWU6d29yZA=="
        assert headers["Host"] == "shards.example"
