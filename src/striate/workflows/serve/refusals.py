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


def internal_fault() -> Refusal:
    """For an error that nobody foresaw, and that the log has: of 500, without its text, which may name paths."""
    return Refusal(500, "a fault of this server, which its log describes; other requests are answered.")


class ClientGoneError(Exception):
    """The client went away before its request was complete."""
