"""Rerank, by those who offer it beside the APIs of OpenAI: documents by their relevance to a query.

Source: https://docs.together.ai/reference/rerank
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.shapes.openai.common import read_identity, read_parameters, read_usage
from callspan.shapes.openai.completions import text_messages
from callspan.shapes.openai.media import plain_list
from callspan.shapes.parts import set_json
from callspan_semconv import attributes as attr


def _request(call: Call, parameters: Parameters) -> None:
    read_parameters(call, parameters, {}, frozenset({"model", "query"}))
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, text_messages(parameters.get("query")))


def _response(call: Call, response: Any) -> None:
    read_identity(call, response)
    read_usage(call, getattr(response, "usage", None))
    results = plain_list(getattr(response, "results", None) or ())
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"results": results} if results else None)


RERANK = Operation("rerank", "rerank", _request, _response)
