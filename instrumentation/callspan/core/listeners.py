"""Who wants to know about a call before it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from callspan.core.call import Call


# The names of a `Listener`'s methods.
Moment = Literal["begun", "answered", "chunk", "ended"]


class Listener(Protocol):
    """Is told about calls, on the application's thread: keep it short. What it raises is reported and goes no further.

    `callspan.core.state.listeners` hear of every call, those of a `callspan.context` block of the calls inside.
    """

    def begun(self, call: Call) -> None:
        """The parameters are read; the request goes out next."""

    def answered(self, call: Call) -> None:
        """The provider has answered: with all that there is to read, with a stream that begins, or with an error."""

    def chunk(self, call: Call, chunk: Any) -> None:
        """The application is about to get a chunk, the client's own object; of raw responses, bytes."""

    def ended(self, call: Call) -> None:
        """The span has ended."""
