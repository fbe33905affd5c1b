"""The client of `serve.py`, a process of its own: requests at a rate, or of so many clients; prints what became of them.

    PYTHONPATH=tests python bench/serve_client.py HOST:PORT PATH FOLDER (--rate R | --clients N) SECONDS

Each request is a form with one file of FOLDER, in turn. Printed is one JSON object: `statuses` (0 for a connection that ended),
`rate` (answers a second), `p50` and `p99` in ms, and `answers`, the first of each file.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

from support.http_load import address_of, closed_loop, for_seconds, form_request, open_loop, quantile


def main() -> None:
    host, path, folder, kind, number, duration = sys.argv[1:]
    address, seconds = address_of(f"http://{host}"), float(duration)
    contents = [form_request(file.name, file.read_bytes(), path) for file in sorted(Path(folder).iterdir())]

    def content(number: int) -> bytes:
        return contents[number % len(contents)]

    if kind == "--rate":
        replies = asyncio.run(open_loop(address, float(number), seconds, content))
    else:
        replies = asyncio.run(closed_loop(address, int(number), content, for_seconds(seconds)))
    answered = [(number, reply) for number, reply in replies if reply.status == 200]
    times = [1000 * reply.seconds for _, reply in answered]
    answers = {number: json.loads(reply.body) for number, reply in answered if number < len(contents)}
    print(
        json.dumps(
            {
                "statuses": Counter(reply.status for _, reply in replies), "rate": len(answered) / seconds,
                "p50": quantile(times, 0.5), "p99": quantile(times, 0.99), "answers": answers,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
