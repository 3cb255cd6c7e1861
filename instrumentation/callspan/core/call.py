"""One LLM call: its span from start to end, however it ends."""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, set_span_in_context

from callspan.call_context import CallContext
from callspan.core import guard, quiet, state
from callspan.core.errors import exchange_of, record_error, request_id_of
from callspan.core.listeners import Moment
from callspan.core.model import Accumulator, Endpoint, Operation, Parameters
from callspan.core.telemetry import Telemetry
from callspan_exporters import own_calls
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio, prices, secrets
from callspan_semconv.record import USAGE_ATTRIBUTES, Usage

_open_streams: weakref.WeakSet[Call] = weakref.WeakSet()


class Call:
    """A call in progress. Ends once; whatever comes later is ignored.

    Attributes:
        model: the model that was asked for; None if the request names none.
        attributes: what readers found out; set on the span in one go at the end.
        context: inside the call.
        quiet: whether others can be told to be quiet until the request is sent; see `callspan.core.quiet`.
        captures_content: whether readers may record prompts and answers.
        is_async: whether the application awaits the call.
        listeners: who is told about the call while it goes on.
        log_raw_request: whether its HTTP request is to be kept.
        reading: true while the application is being handed a chunk; a close that happens then comes from the SDK.
    """

    __slots__ = (
        "__weakref__",
        "_accumulator",
        "_endpoint",
        "_first_chunk_ns",
        "_lock",
        "_reads",
        "_said",
        "_start",
        "_start_ns",
        "_telemetry",
        "attributes",
        "call_id",
        "captures_content",
        "context",
        "ended",
        "is_async",
        "listeners",
        "log_raw_request",
        "model",
        "operation",
        "quiet",
        "reading",
        "span",
    )

    def __init__(
        self,
        telemetry: Telemetry,
        operation: Operation,
        endpoint: Endpoint,
        parameters: Parameters,
        *,
        parent: Context,
        said: CallContext,
        is_async: bool,
    ) -> None:
        self.operation = operation
        self._endpoint = endpoint
        self._telemetry = telemetry
        self._accumulator: Accumulator | None = None
        self._first_chunk_ns: int | None = None
        self._lock = threading.Lock()
        self.captures_content = telemetry.capture_content
        self.reading = False
        self.ended = False
        self.is_async = is_async
        self.listeners = (*state.listeners, *said.listeners) if said.listeners else state.listeners
        self.call_id = _uuid4()
        model = parameters.get(operation.model)
        model = model if isinstance(model, str) and model else None
        self.model = model
        self._start = _start_attributes(operation, endpoint, model)
        # Samplers see these; the rest is set at the end, so that a dropped span costs nothing more.
        self.span: Span = telemetry.tracer.start_span(
            f"{operation.name} {model}" if model else operation.name,
            context=parent,
            kind=SpanKind.CLIENT,
            attributes=self._start,
        )
        self._start_ns = perf_counter_ns()
        self.context: Context = quiet.beneath(set_span_in_context(self.span, parent))
        self.quiet = False
        self.attributes: dict[str, Any] = {
            attr.CALLSPAN_CALL_ID: self.call_id,
            **said.attributes,
        }
        if operation.call_type is not None:
            self.set_call_type(operation.call_type)
        self._said = said
        self.log_raw_request = telemetry.log_raw_request or said.log_raw_request
        # Nobody listens to a span that was dropped, and no meter either: then nothing is read at all.
        self._reads = self.span.is_recording() or telemetry.instruments.enabled
        if self._reads:
            self.guarded("request", operation.request, self, parameters)
        own_calls.remember(self.span.get_span_context().span_id, self.call_id)

    def guarded(self, site: str, function: Any, *args: Any) -> None:
        """Run a reader. If it fails, the span stays and says which part of it is missing."""
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001 - the boundary between the call and what reads it
            guard.report(f"{self.operation.name}.{site}", error)
            self.incomplete(site)

    def tell(self, moment: Moment, *more: Any) -> None:
        """Tell every listener that a moment has come; see `callspan.core.listeners.Listener`."""
        for listener in self.listeners:
            try:
                getattr(listener, moment)(self, *more)
            except Exception as error:  # noqa: BLE001, PERF203 - the boundary between the call and who listens
                guard.report(f"{self.operation.name}.{moment}", error)

    def known(self) -> dict[str, Any]:
        """What is known by now: the attributes that the span has from its start, and those that it gets at its end."""
        return {**self._start, **self.attributes}

    def incomplete(self, site: str) -> None:
        """Say on the span that what is read at ``site`` is missing."""
        known = self.attributes.get(attr.CALLSPAN_CAPTURE_ERRORS, ())
        self.attributes[attr.CALLSPAN_CAPTURE_ERRORS] = tuple(dict.fromkeys((*known, site)))

    def set_call_type(self, name: str) -> None:
        """Name the operation as LiteLLM does: its async variants begin with an ``a``."""
        self.attributes[attr.CALLSPAN_CALL_TYPE] = f"a{name}" if self.is_async else name

    def continue_as(self, call_id: str, origin: SpanContext) -> None:
        """This call brings the result of an earlier one: take its id, and link to its span."""
        self.call_id = call_id
        self.attributes[attr.CALLSPAN_CALL_ID] = call_id
        self.span.add_link(origin)

    def read_headers(self, headers: Mapping[str, str]) -> None:
        """The provider's id of the request, from the answer's headers."""
        if (request_id := request_id_of(headers)) is not None:
            self.attributes[attr.CALLSPAN_PROVIDER_REQUEST_ID] = request_id

    def add_metadata(self, metadata: object) -> None:
        """Merge the request's own metadata over what `callspan.context` said; its ``tags`` count as tags."""
        if not metadata or not isinstance(metadata, Mapping):
            return
        self.attributes[attr.CALLSPAN_METADATA] = jsonio.dumps({**self._said.metadata, **metadata})
        tags = metadata.get("tags")
        if isinstance(tags, (list, tuple)):
            known = self.attributes.get(attr.CALLSPAN_TAGS, ())
            self.attributes[attr.CALLSPAN_TAGS] = tuple(dict.fromkeys((*known, *map(str, tags))))

    # -- streams ------------------------------------------------------------------------------------------------

    def open_stream(self, accumulator: Accumulator) -> None:
        """From now on the call ends when its stream does."""
        self._accumulator = accumulator
        _open_streams.add(self)
        if self.listeners:
            self.tell("answered")

    def first_chunk(self) -> None:
        """Note the arrival of the first chunk."""
        self._first_chunk_ns = perf_counter_ns()

    def closed(self) -> None:
        """The transport was closed: by the application, unless the SDK did so while handing out a chunk."""
        if not self.reading:
            self.end_stream("closed")

    def end_stream(self, how: str, error: BaseException | None = None) -> None:
        """End the call with what the stream brought: ``how`` is exhausted, closed, abandoned or error."""
        if self._claim():
            self.guarded("end", self._end_stream, how, error)

    # -- ends ---------------------------------------------------------------------------------------------------

    def succeed(self, response: Any) -> None:
        """End the call with a complete answer."""
        self.read_now(self.operation.response, response)

    def read_now(self, reader: Callable[[Call, Any], None], source: Any) -> None:
        """End the call with what ``reader`` finds in ``source``."""
        if self._claim():
            if self._reads:
                self.guarded("response", reader, self, source)
            if self.listeners:
                self.tell("answered")
            self.guarded("end", self._end)

    def finish(self) -> None:
        """End the call with nothing more to read."""
        if self._claim():
            self.guarded("end", self._end)

    def fail(self, error: BaseException) -> None:
        """End the call with the exception that the application is about to see."""
        if self._claim() and not self.operation.unsent(error):
            self.guarded("error", self._read_error, error)
            if self.listeners and attr.HTTP_RESPONSE_STATUS_CODE in self.attributes:
                self.tell("answered")
            self.guarded("end", self._end)

    def error(self, kind: str, message: str | None) -> None:
        """Mark an answer that itself reports a failure (a failed response, an error event)."""
        self.attributes[attr.ERROR_TYPE] = kind
        self.span.set_status(Status(StatusCode.ERROR, secrets.scrub(message) if message else None))

    def _claim(self) -> bool:
        with self._lock:
            first, self.ended = not self.ended, True
        return first

    def _end_stream(self, how: str, error: BaseException | None) -> None:
        if attr.GEN_AI_REQUEST_STREAM in self.attributes:  # else the application reads a plain answer piece by piece
            self.attributes[attr.CALLSPAN_STREAM_END] = how
            if self._first_chunk_ns is not None:
                seconds = (self._first_chunk_ns - self._start_ns) / 1e9
                self.attributes[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = seconds
        if self._accumulator is not None:
            self.guarded("stream", self._accumulator.finish, self)
        if error is not None:
            self.guarded("error", self._read_error, error)
        self._end()

    def _read_error(self, error: BaseException) -> None:
        self.attributes[attr.ERROR_TYPE] = record_error(self.span, error)
        status, request_id = exchange_of(error)
        if status is not None:
            self.attributes[attr.HTTP_RESPONSE_STATUS_CODE] = status
        if request_id is not None:
            self.attributes[attr.CALLSPAN_PROVIDER_REQUEST_ID] = request_id

    def _end(self) -> None:
        duration_s = (perf_counter_ns() - self._start_ns) / 1e9
        attributes = self.attributes
        if attr.GEN_AI_USAGE_INPUT_TOKENS in attributes or attr.GEN_AI_USAGE_OUTPUT_TOKENS in attributes:
            self.guarded("cost", self._price)
        if self.span.is_recording():
            self.span.set_attributes(attributes)
        self.span.end()
        instruments = self._telemetry.instruments
        if instruments.enabled:
            instruments.record({**self._start, **attributes}, duration_s)
        if self.listeners:
            self.tell("ended")

    def _price(self) -> None:
        attributes = self.attributes
        if attr.CALLSPAN_COST_TOTAL in attributes:  # the library said it
            return
        usage = Usage(*map(attributes.get, USAGE_ATTRIBUTES))
        cost = prices.cost(
            attributes.get(attr.GEN_AI_PROVIDER_NAME, self._endpoint.provider),
            self.model,
            usage,
            response_model=attributes.get(attr.GEN_AI_RESPONSE_MODEL),
            service_tier=prices.tier(attributes),
            server=attributes.get(attr.SERVER_ADDRESS, self._endpoint.address),
        )
        if isinstance(cost, prices.Cost):
            attributes[attr.CALLSPAN_COST_TOTAL] = cost.total
            attributes[attr.CALLSPAN_COST_INPUT] = cost.input
            attributes[attr.CALLSPAN_COST_OUTPUT] = cost.output


class Unrecorded:
    """A call that leaves no span, since it is part of another or not to be recorded; nor does what runs beneath it.

    Attributes:
        context: to run it in.
        quiet: as of a `Call`.
    """

    __slots__ = ("context", "quiet")

    def __init__(self, parent: Context, *, is_quiet: bool) -> None:
        self.context = quiet.beneath(parent)
        self.quiet = is_quiet

    def fail(self, error: BaseException) -> None:
        """Leave the exception to the application."""


def end_open_streams() -> None:
    """End the spans of streams that the application still holds: at exit they would be lost."""
    for call in list(_open_streams):
        call.end_stream("abandoned")


def _start_attributes(operation: Operation, endpoint: Endpoint, model: str | None) -> dict[str, Any]:
    attributes = {attr.GEN_AI_OPERATION_NAME: operation.name, **endpoint.attributes}
    if model:
        attributes[attr.GEN_AI_REQUEST_MODEL] = model
    return attributes


def _uuid4() -> str:
    """A random UUID in text; much faster than ``str(uuid.uuid4())``, and reseeded after a fork."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
