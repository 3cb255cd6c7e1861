"""sentry-sdk's part of the work: scrubbing, the application's own hooks, and the envelope."""

import threading
from typing import Any, Final

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport
from sentry_sdk.utils import BadDsn, Dsn

CONTENT_TYPE: Final = "application/x-sentry-envelope"


def application_is_configured() -> bool:
    """Whether the application has called `sentry_sdk.init` with a DSN."""
    return sentry_sdk.get_client().is_active()


def hand_over(event: dict[str, Any]) -> None:
    """Give an event to the application's own client, with its hooks, scrubbing, sampling and transport."""
    sentry_sdk.get_client().capture_event(event, scope=sentry_sdk.get_global_scope())


class EnvelopeMaker:
    """Makes envelopes as sentry-sdk would, and sends none; safe to share among threads.

    Args:
        dsn: the project's.
        environment: of all events.
        personal: whether users and addresses may stay in.

    Raises:
        ValueError: the DSN is none; the text does not repeat it.
    """

    def __init__(self, dsn: str, environment: str, *, personal: bool) -> None:
        try:
            auth = Dsn(dsn).to_auth(f"sentry.python/{sentry_sdk.VERSION}")
        except (BadDsn, ValueError) as error:
            message = "sentry: the DSN (SENTRY_DSN) is malformed; expected https://key@host/project"
            raise ValueError(message) from error
        self.url = auth.get_api_url()
        self.headers = {"content-type": CONTENT_TYPE, "x-sentry-auth": auth.to_header()}
        self._caught = _Catch()
        # Nothing of the application is touched: no integrations, no sessions, no threads.
        self._client = sentry_sdk.Client(
            dsn=dsn,
            environment=environment,
            event_scrubber=EventScrubber(recursive=True, send_default_pii=personal),
            transport=self._caught,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            spotlight=False,
        )

    def make(self, event: dict[str, Any]) -> bytes:
        """The envelope of an event."""
        self._client.capture_event(event, scope=sentry_sdk.Scope())  # type: ignore[arg-type]  # a dict
        return self._caught.take()


class _Catch(Transport):
    """Keeps what the SDK would send, for the thread that made it."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = threading.local()

    def capture_envelope(self, envelope: Envelope) -> None:
        self._kept.envelope = envelope.serialize()

    def take(self) -> bytes:
        envelope: bytes = self._kept.envelope
        del self._kept.envelope
        return envelope
