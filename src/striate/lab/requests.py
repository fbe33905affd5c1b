"""What a request has: the JSON of its body, and the language in its path."""

import json
from typing import Any

from fastapi import Request

from striate.lab.texts import LANGUAGES
from striate.workflows.serve.refusals import Refusal

_MOST_JSON_BYTES = 2**20


async def read_json(request: Request) -> Any:
    """The JSON of a request's body. Raises Refusal: of 400 where it is none, of 413 where it is too large."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MOST_JSON_BYTES:
            raise Refusal(413, f"expected at most {_MOST_JSON_BYTES:,} bytes; got more.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Refusal(400, "expected JSON; got something else.") from None


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body."""
    content = await read_json(request)
    if not isinstance(content, dict):
        raise Refusal(400, "expected a JSON object; got something else.")
    return content


def language_of(request: Request) -> str:
    """The language in a request's path. Raises Refusal: of 404 where there is none such."""
    language = str(request.path_params["language"])
    if language not in LANGUAGES:
        raise Refusal(404, "there is nothing here.")
    return language
