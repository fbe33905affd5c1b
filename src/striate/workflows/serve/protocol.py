"""HTTP/1.1 as uvicorn speaks it, with a time within which headers must come, and with uploads let in or refused before it."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from striate.workflows.serve.admission import Admission, PlainUpload, plain_upload
from striate.workflows.serve.refusals import Refusal
from striate.workflows.serve.state import PLACE, Place
from striate.workflows.serve.uploads import Share

_HEADER_SECONDS = 10.0  # in which the headers of a request must have come, once the connection waits for them
_READ_BYTES = 98_304  # at once; asyncio's own 262,144 has the C library ask the system for memory at each read, and return it
_BODY_SECONDS = 1.0  # in which the body of an upload is waited for; a slower one goes the long way


class _Coming:
    """An upload of which bytes are still to come: what has come, or the response to it."""

    def __init__(self, upload: PlainUpload, missing: int, share: Share) -> None:
        self.upload, self.missing, self.share = upload, missing, share
        self.parts: list[bytes] = []
        self.refused = b""
        self.timer: asyncio.TimerHandle | None = None

    def release(self) -> None:
        """Hold nothing more."""
        self.parts = []
        self.share.give_back()


class Protocol(H11Protocol):
    """Of one connection. An upload enters the application when all of it has come, with a place; or is refused here."""

    def __init__(self, *args: Any, admission: Admission, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._admission = admission
        self._coming: _Coming | None = None
        self._only_uploads = True  # so far: then the parser holds no bytes of a next request
        self._refused_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request some seconds for its headers."""
        super().connection_made(transport)
        cast(Any, transport).max_size = _READ_BYTES
        self._client_name = self.client[0] if self.client else None
        self._header_timer: asyncio.TimerHandle | None = self.loop.call_later(_HEADER_SECONDS, self._close_idle)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a later request's headers must be complete in time too."""
        if self._coming is not None:
            self._take(self._coming, data)
            return
        new = self._waits_for_headers() and (self._only_uploads or not self.conn.trailing_data[0])
        upload = plain_upload(data) if new else None
        if upload is None:
            self._pass_on(data)
        elif upload.left:
            self._begin(upload, data)
        else:
            self._decide(upload, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_timer()
        if (coming := self._end_coming()) is not None and not coming.refused:
            self._admission.note_gone(coming.upload, self._client_name)
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long; refusals do not set the timer anew, for they are many."""
        left = self._refused_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _pass_on(self, data: bytes) -> None:
        self._only_uploads = False
        super().data_received(data)
        if not self._waits_for_headers():
            self._stop_timer()
        elif self._header_timer is None:  # uvicorn ends its own timer with the first byte
            self._header_timer = self.loop.call_later(_HEADER_SECONDS, self._close_idle)

    def _decide(self, upload: PlainUpload, data: bytes) -> None:
        entered = self._admission.enter(upload, self._client_name)
        if isinstance(entered, Place):
            self._enter(entered, data)
        else:
            self._refuse(entered)

    def _enter(self, place: Place, data: bytes) -> None:
        cycle = self.cycle
        self._stop_timer()
        super().data_received(data)
        if self.cycle is cycle:  # no request in the eyes of the parser, which has said so
            place.leave()
        else:
            cast(dict[str, Any], self.cycle.scope)[PLACE] = place  # before its task runs

    def _refuse(self, response: bytes) -> None:
        self._stop_timer()
        self.transport.write(response)
        self._refused_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.on_response_complete()

    def _begin(self, upload: PlainUpload, data: bytes) -> None:
        self._unset_keepalive_if_required()
        state = self._admission.state
        coming = self._coming = _Coming(upload, len(data) + upload.left, Share(state.budget))
        try:
            state.check_open()
        except Refusal as refusal:
            self._refuse_coming(coming, refusal)
        else:
            self._stop_timer()
            coming.timer = self.loop.call_later(_BODY_SECONDS, self._pass_on_coming)
        self._take(coming, data)

    def _take(self, coming: _Coming, data: bytes) -> None:
        coming.missing -= len(data)
        if not coming.refused:
            coming.parts.append(data)
            try:
                coming.share.take(len(data))
            except Refusal as refusal:
                self._refuse_coming(coming, refusal)
        if coming.missing < 0:  # a request behind this one, before its response
            if coming.refused:
                self.transport.close()  # no client does that
            else:
                self._pass_on_coming()
        elif coming.missing == 0:
            data = b"".join(coming.parts)
            self._end_coming()
            if coming.refused:
                self._refuse(coming.refused)
            else:
                self._decide(coming.upload, data)

    def _refuse_coming(self, coming: _Coming, refusal: Refusal) -> None:
        """Refuse an upload; it is answered when all of it has come, which is not kept."""
        coming.refused = self._admission.refuse(refusal, coming.upload, self._client_name)
        coming.release()
        if coming.timer is not None:
            coming.timer.cancel()
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(_HEADER_SECONDS, self._close_idle)

    def _pass_on_coming(self) -> None:
        assert self._coming is not None
        data = b"".join(self._coming.parts)
        self._end_coming()
        self._pass_on(data)

    def _end_coming(self) -> _Coming | None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.release()
            if coming.timer is not None:
                coming.timer.cancel()
        return coming

    def _waits_for_headers(self) -> bool:
        cycle = cast(Any, self.cycle)
        return cycle is None or cycle.response_complete

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _close_idle(self) -> None:
        if self._waits_for_headers():
            self.transport.close()
