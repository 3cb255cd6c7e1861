"""What a prompt may ask of the fake server itself.

A directive is a word with a leading exclamation mark, on its own or with one argument: ``!error 429``. ``!say`` takes
the rest of the line. Directives steer the answer, so a test needs no access to the server:

=====================  ================================================================================================
``!say TEXT``          answer exactly TEXT (default: an echo of the prompt without its directives); also ``!error``
``!chunks [N]``        answer N tokens (default 100)
``!tools [N]``         make N tool calls at once (default: one for each tool offered)
``!bad-arguments``     the arguments of tool calls are cut-off JSON
``!refuse``            refuse
``!reasoning [N]``     think first: N reasoning tokens (default 64); the Responses API also shows a summary
``!reasoning-content`` show the thinking in ``reasoning_content``, as OpenAI-compatible servers do
``!cached N``          N input tokens came from the prompt cache
``!no-usage``          leave out the usage
``!fail``              Responses API: the run fails
``!error [STATUS]``    answer with this HTTP error (default 500)
``!flaky [STATUS]``    answer the first attempt with this HTTP error, and the SDK's retry normally
``!slow [SECONDS]``    wait before the answer, and after every event of a stream (default 0.1)
``!stream-error``      break off a stream with an error event (``!stream-error nested``: the Responses API's other form)
``!reset-midstream``   drop the connection in the middle of a stream, or instead of a plain answer
=====================  ================================================================================================
"""

import re
from collections.abc import Mapping

Directives = Mapping[str, str]
"""Directive names, each with its argument, which is empty where none was given."""

_DIRECTIVE = re.compile(
    r"""
    !(?P<say>say)[ ](?P<text>.*)
    | !(?P<name>
        chunks | tools | bad-arguments | refuse | reasoning-content | reasoning | cached | no-usage | fail
        | error | flaky | slow | stream-error | reset-midstream
      )\b
      (?:[ ](?P<argument>\d+(?:\.\d+)?|nested))?
    """,
    re.VERBOSE,
)


def parse(text: str) -> Directives:
    """Find the directives in a prompt."""
    return {
        match["say"] or match["name"]: match["text"] if match["say"] else match["argument"] or ""
        for match in _DIRECTIVE.finditer(text)
    }


def without(text: str) -> str:
    """Return the prompt without its directives."""
    return _DIRECTIVE.sub("", text).strip()
