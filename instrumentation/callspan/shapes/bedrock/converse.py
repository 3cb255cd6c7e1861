"""Converse and ConverseStream: one shape for every model. Nova's own bodies have it too.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Parameters
from callspan.shapes.bedrock.blocks import parts
from callspan.shapes.parts import set_json, tool_arguments
from callspan_semconv import attributes as attr

_INFERENCE = {
    "maxTokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "max_new_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,  # Nova's former name
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "topP": attr.GEN_AI_REQUEST_TOP_P,
    "topK": attr.GEN_AI_REQUEST_TOP_K,
}
_READ_HERE = frozenset({"modelId", "messages", "system"})


def read_request(call: Call, given: Parameters) -> None:
    """Read the parameters of Converse, or a body of Nova's."""
    attributes = call.attributes
    inference = given.get("inferenceConfig") or {}
    for name, value in inference.items():
        if (attribute := _INFERENCE.get(name)) is not None:
            attributes[attribute] = value
    if stop := inference.get("stopSequences"):
        attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = tuple(stop)
    _read_more_fields(call, given.get("additionalModelRequestFields"))
    if (guardrail := (given.get("guardrailConfig") or {}).get("guardrailIdentifier")) is not None:
        attributes[attr.AWS_BEDROCK_GUARDRAIL_ID] = guardrail
    if ((given.get("outputConfig") or {}).get("textFormat") or {}).get("type") == "json_schema":
        attributes[attr.GEN_AI_OUTPUT_TYPE] = "json"
    call.add_metadata(given.get("requestMetadata"))
    if not call.captures_content:
        return
    set_json(call, attr.CALLSPAN_REQUEST_PARAMETERS, _rest(given))
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, [_message(message) for message in given.get("messages") or ()])
    set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, parts(given.get("system") or ()))
    tools = (given.get("toolConfig") or {}).get("tools") or ()
    set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, [_tool(tool) for tool in tools if "cachePoint" not in tool])


def _read_more_fields(call: Call, fields: Any) -> None:
    """Parameters that only some models have, by the models' own names."""
    if not isinstance(fields, Mapping):
        return
    top_k = next((fields[name] for name in ("top_k", "topK", "k") if name in fields), None)
    if top_k is None and isinstance(inference := fields.get("inferenceConfig"), Mapping):
        top_k = inference.get("topK")
    if type(top_k) is int:
        call.attributes[attr.GEN_AI_REQUEST_TOP_K] = top_k
    output = fields.get("output_config")
    effort = output.get("effort") if isinstance(output, Mapping) else fields.get("reasoning_effort")
    if isinstance(effort, str):
        call.attributes[attr.GEN_AI_REQUEST_REASONING_LEVEL] = effort


def _rest(given: Parameters) -> dict[str, Any]:
    """What has no attribute of its own."""
    rest = {name: value for name, value in given.items() if name not in _READ_HERE and value}
    for name, known in (("inferenceConfig", {*_INFERENCE, "stopSequences"}), ("toolConfig", {"tools"})):
        if isinstance(inner := rest.pop(name, None), Mapping):
            left = {key: value for key, value in inner.items() if key not in known}
            rest.update({name: left} if left else {})
    return rest


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": message.get("role"), "parts": parts(message.get("content") or ())}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if (spec := tool.get("toolSpec")) is None:
        name = next(iter(tool))
        return {"type": name, **(tool[name] if isinstance(tool[name], Mapping) else {})}
    made = {"type": "function", **{key: value for key, value in spec.items() if key != "inputSchema"}}
    schema = spec.get("inputSchema") or {}
    return {**made, "parameters": schema.get("json")} if "json" in schema else made


def read_usage(call: Call, usage: Any) -> None:
    """Token counts. What was read from the cache or written to it is counted apart from the input here.

    Nova's bodies have ``...TokenCount`` where Converse has ``...Tokens``.
    """
    usage = usage or {}
    attributes = call.attributes
    read = usage.get("cacheReadInputTokens", usage.get("cacheReadInputTokenCount"))
    written = usage.get("cacheWriteInputTokens", usage.get("cacheWriteInputTokenCount"))
    if (fresh := usage.get("inputTokens")) is not None:
        attributes[attr.GEN_AI_USAGE_INPUT_TOKENS] = fresh + (read or 0) + (written or 0)
    for attribute, count in (
        (attr.GEN_AI_USAGE_OUTPUT_TOKENS, usage.get("outputTokens")),
        (attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, read),
        (attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, written),
    ):
        if count is not None:
            attributes[attribute] = count


# What an answer says beside its message.
_BESIDE = ("additionalModelResponseFields", "trace", "performanceConfig", "serviceTier")


def read_response(call: Call, answer: Mapping[str, Any]) -> None:
    """Read a complete answer."""
    read_usage(call, answer.get("usage"))
    message = (answer.get("output") or {}).get("message") or {}
    _write(call, message.get("role"), parts(message.get("content") or ()), answer.get("stopReason"), answer)


def _write(
    call: Call, role: str | None, said: list[dict[str, Any]], reason: str | None, beside: Mapping[str, Any]
) -> None:
    if reason:
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
    router = (beside.get("trace") or {}).get("promptRouter") or {}
    if model := router.get("invokedModelId"):
        call.attributes[attr.GEN_AI_RESPONSE_MODEL] = model
    if not call.captures_content:
        return
    output: dict[str, Any] = {"role": role or "assistant", "parts": said}
    if reason:
        output["finish_reason"] = reason
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [output] if said or reason else None)
    found = {name: value for name in _BESIDE if (value := beside.get(name))}
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, found)


class Events:
    """Collects the events of a stream: blocks begin, grow by deltas, and stop."""

    def __init__(self, _call: Call) -> None:
        self._role: str | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        self._reason: str | None = None
        self._usage: Any = None
        self._beside: dict[str, Any] = {}

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take an event: a dict with one key, its kind."""
        if (delta := event.get("contentBlockDelta")) is not None:
            self._grow(self._block(delta), delta.get("delta") or {})
        elif (start := event.get("contentBlockStart")) is not None:
            self._block(start).update(start.get("start") or {})
        elif (begun := event.get("messageStart")) is not None:
            self._role = begun.get("role")
        elif (stopped := event.get("messageStop")) is not None:
            self._reason = stopped.get("stopReason")
            self._beside.update(stopped)
        elif (metadata := event.get("metadata")) is not None:
            self._usage = metadata.get("usage")
            self._beside.update(metadata)

    def _block(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return self._blocks.setdefault(event.get("contentBlockIndex", 0), {})

    @staticmethod
    def _grow(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
        for kind, piece in delta.items():
            if isinstance(piece, str):
                block.setdefault("pieces", []).append(piece)
            elif kind == "toolUse":
                block.setdefault("pieces", []).append(piece.get("input") or "")
            elif kind == "reasoningContent":
                block["reasoning"] = True
                block.setdefault("pieces", []).append(piece.get("text") or "")
            elif kind == "citation":
                block.setdefault("citations", []).append(piece)

    def finish(self, call: Call) -> None:
        """Write what came, however far the stream got."""
        read_usage(call, self._usage)
        whole = [_whole(self._blocks[index]) for index in sorted(self._blocks)]
        _write(call, self._role, parts(whole), self._reason, self._beside)


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    """The block as it would stand in a complete answer."""
    text = "".join(block.get("pieces", ()))
    if (use := block.get("toolUse")) is not None:
        return {"toolUse": {**use, "input": tool_arguments(text) if text else use.get("input", {})}}
    if "reasoning" in block:
        return {"reasoningContent": {"reasoningText": {"text": text}} if text else {}}
    if "citations" in block:
        return {"citationsContent": {"content": [{"text": text}], "citations": block["citations"]}}
    return {"text": text} if "pieces" in block else block or {"text": ""}
