"""Why a request is not answered with a result: a status, a sentence, and when to try again."""


class Refusal(Exception):
    """A request is refused with this status; `retry_after` is in seconds."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Of the response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


class ClientGoneError(Exception):
    """The client went away before its request was complete."""
