"""What /metrics tells: requests, times, batches, the queue, the inference process; in Prometheus's format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "striate_requests", "Requests by route and status.", ["route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "striate_request_seconds", "Time from the request's headers to the end of its response.", ["route"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self.images = Counter("striate_images", "Images by outcome: answered, refused.", ["outcome"], registry=self._registry)
        self.batch_size = Histogram("striate_batch_images", "Images in a batch.", buckets=_SIZES, registry=self._registry)
        self.accepted = Gauge("striate_accepted_requests", "Requests that wait for their answer.", registry=self._registry)
        self.deaths = Gauge("striate_inference_deaths", "Deaths of the inference process.", registry=self._registry)
        self.spare = Gauge(
            "striate_inference_spare", "1 while a spare inference process has loaded the model.", registry=self._registry
        )
        self.model = Gauge("striate_model_info", "1 for the model that is served.", ["sha256", "net"], registry=self._registry)
        self.reloads = Counter("striate_reloads", "Reloads by outcome.", ["outcome"], registry=self._registry)
        for outcome in ("done", "failed"):  # shown before the first of them
            self.reloads.labels(outcome)

        self._of_route: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request; what it is counted by is looked up once."""
        if (counting := self._of_route.get((route, status))) is None:
            counting = self.requests.labels(route, str(status)), self.seconds.labels(route)
            self._of_route[route, status] = counting
        counting[0].inc()
        counting[1].observe(seconds)

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self._registry)
