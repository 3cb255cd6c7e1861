"""Where callspan's payload differs from LiteLLM's own for the same call, whatever the call; see docs/payload.md."""

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]

# Paths that differ, and why.
EVERYWHERE = {
    "litellm_call_id": "each call's own",
    "trace_id": "the span's",
    "*Time": "the time of the run",
    "response_time": "the time of the run",
    "api_base": "what was called, also where LiteLLM says nothing",
    "hidden_params.api_base": "likewise",
    "hidden_params.litellm_model_name": "always <provider>/<model>",
    "hidden_params.additional_headers": "of the answer's headers only the request id is on a span",
    "hidden_params.litellm_overhead_time_ms": "LiteLLM's own overhead",
    "end_user": "the SDK's user=",
    "response.created": "of mocked answers: the time of the run",
    "*usage*.video_tokens": "no provider reports them",
    "*usage*.text_tokens": "LiteLLM leaves out what it knows nothing of, in some answers only",
    "*usage*.image_tokens": "likewise",
    "*usage*.accepted_prediction_tokens": "not on a span",
    "*usage*.rejected_prediction_tokens": "not on a span",
    "*usage*.cost": "LiteLLM adds its own figure to the usage of streams",
    "response.choices*.provider_specific_fields": "what LiteLLM's classes add",
    "response.moderation": "likewise",
    "response.choices*.annotations": "only where there are any",
    "model_map_information.model_map_value*": "prices are those of genai-prices",
}


def unexpected(theirs: Json, ours: Json, expected: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """What differs and is not among the expected paths: LiteLLM's value and ours."""
    return {
        where: (their, our)
        for where, their, our in _differences(theirs, ours)
        if not any(fnmatch.fnmatchcase(where, pattern) for pattern in expected)
    }


def _differences(theirs: Any, ours: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where the two differ: a dotted path, with their value and ours."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in {**theirs, **ours}:
            path = f"{where}.{key}" if where else key
            yield from _differences(theirs.get(key, "absent"), ours.get(key, "absent"), path)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(one, other, f"{where}.{index}")
    elif theirs != ours:
        yield where, theirs, ours
