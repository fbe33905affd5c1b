"""Requests whose answers are known, and the check that each reply is the answer to its own request or an orderly refusal."""

from collections import Counter

from support.http_load import CUT, Reply, request
from support.serving import png

EMBED = "/v1/embed"
LEVELS = [png(level) for level in range(256)]


def content(number: int) -> bytes:
    """The request of this number: an image of one level."""
    return request(LEVELS[number % 256], EMBED)


def check(replies: list[tuple[int, Reply]], allowed: set[int]) -> Counter[int]:
    """Each reply is one of the allowed, an answer is that to its own image, a refusal says when to come again."""
    for number, reply in replies:
        assert reply.status in allowed, reply
        if reply.status == 200:
            assert f'"embedding":[{number % 256}.0]'.encode() in reply.body
        elif reply.status != CUT:
            assert int(reply.headers["retry-after"]) >= 1
            assert b'"error"' in reply.body
    numbers = [number for number, _ in replies]
    assert len(set(numbers)) == len(numbers)
    return Counter(reply.status for _, reply in replies)
