"""One LLM call as a Langfuse observation: the attributes that Langfuse's OTLP intake reads.

Sources: ``packages/shared/src/server/otel`` of langfuse/langfuse (which attribute becomes which field), LiteLLM's
Langfuse callback (which metadata key of a request means what).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from callspan_exporters import call_facts
from callspan_semconv import StandardLoggingPayload, jsonio
from callspan_semconv import attributes as names

_OBSERVATION: Final = "langfuse.observation."
_TRACE: Final = "langfuse.trace."
_TRACE_FIELDS: Final = {
    "name": f"{_TRACE}name",
    "user_id": "user.id",
    "session_id": "session.id",
    "tags": f"{_TRACE}tags",
    "public": f"{_TRACE}public",
    "input": f"{_TRACE}input",
    "output": f"{_TRACE}output",
    "version": "langfuse.version",
    "release": "langfuse.release",
}
# Metadata keys that steer this sink; they are not data about the call.
_STEERING: Final = frozenset(
    {
        *("generation_name", "generation_id", "trace_id", "existing_trace_id", "parent_observation_id", "session_id"),
        *("tags", "version", "release", "update_trace_keys", "mask_input", "mask_output", "prompt", "debug_langfuse"),
    }
)
_FALSE: Final = frozenset({"false", "0", "no", "off", ""})

Attribute = str | bool | int | float | Sequence[str]


@dataclass(frozen=True, slots=True)
class LangfuseCall:
    """A call, and the metadata that steers how it is shown.

    Attributes:
        payload: the call.
        metadata: what the application said about it.
        prompt_name: the managed prompt that the span names; likewise ``prompt_version``.
        default_tags: metadata keys whose values become tags.
        proxy_base_url: the value of the tag ``proxy_base_url``.
        release: the release, unless the metadata names one.
    """

    payload: StandardLoggingPayload
    metadata: Mapping[str, Any]
    prompt_name: Any = None
    prompt_version: Any = None
    default_tags: Sequence[str] = ()
    proxy_base_url: str | None = None
    release: str | None = None

    def attributes(self) -> dict[str, Attribute]:
        """All attributes of the observation; what is unknown is absent."""
        fields = {**self._observation(), **self._trace(), **self._details()}
        return {key: value for key, value in fields.items() if value is not None}

    def name(self, default: str) -> str:
        """What the observation is called: ``generation_name``, else the default."""
        return str(self.metadata.get("generation_name") or default)

    def error(self) -> str | None:
        """Why the call failed. Providers quote prompts in their errors: masked, only the error's class is left."""
        if self.payload["status"] != "failure":
            return None
        if _flag(self.metadata.get("mask_input")) or _flag(self.metadata.get("mask_output")):
            return self.payload["error_information"].get("error_class") or names.REDACTED
        return self.payload["error_str"]

    def _observation(self) -> dict[str, Attribute | None]:
        payload = self.payload
        failed = payload["status"] == "failure"
        prompt_name, prompt_version = self._prompt()
        return {
            f"{_OBSERVATION}type": "embedding" if "embedding" in payload["call_type"] else "generation",
            f"{_OBSERVATION}level": "ERROR" if failed else "DEFAULT",
            f"{_OBSERVATION}status_message": self.error(),
            f"{_OBSERVATION}input": self._input(),
            f"{_OBSERVATION}output": self._output(),
            f"{_OBSERVATION}model.name": payload["model"] or None,
            f"{_OBSERVATION}model.parameters": _json(_parameters(payload)),
            f"{_OBSERVATION}usage_details": _json(_usage(payload)),
            f"{_OBSERVATION}cost_details": _json(call_facts.costs(payload)),
            f"{_OBSERVATION}completion_start_time": _first_token(payload),
            f"{_OBSERVATION}prompt.name": prompt_name,
            f"{_OBSERVATION}prompt.version": prompt_version,
            "langfuse.version": _text(self.metadata.get("version")),
            "langfuse.release": _text(self.metadata.get("release") or self.release),
        }

    def _trace(self) -> dict[str, Attribute | None]:
        """The trace's fields; of a trace that exists already only those that ``update_trace_keys`` names."""
        metadata = self.metadata
        if metadata.get("existing_trace_id"):
            keys = metadata.get("update_trace_keys") or ()
            wanted = [key.strip() for key in (keys.split(",") if isinstance(keys, str) else map(str, keys))]
            own = {"input": self._input(), "output": self._output()}
            fields = {key.removeprefix("trace_"): own.get(key, metadata.get(key)) for key in wanted if key}
        else:
            fields = {
                "user_id": call_facts.user(self.payload),
                "session_id": metadata.get("session_id") or self.payload["session_id"] or None,
                "tags": self._tags() or None,
                **{key.removeprefix("trace_"): value for key, value in metadata.items() if key.startswith("trace_")},
            }
            if metadata.get("version"):
                fields.pop("version", None)  # Langfuse reads one version per span, and the observation's own wins
        fields.pop("id", None)
        return _rendered_trace(fields) | self._debug()

    def _details(self) -> dict[str, Attribute | None]:
        """Everything else that is known, as metadata of the observation."""
        known = call_facts.details(self.payload, self.metadata, _STEERING, ("trace_", "langfuse_"))
        return {f"{_OBSERVATION}metadata.{key}": call_facts.scalar(value) for key, value in known.items()}

    def _tags(self) -> list[str]:
        tags = list(self.payload["request_tags"])
        known = {**self.payload["metadata"], **self.metadata}
        known["cache_hit"] = bool(self.payload["cache_hit"])
        known["cache_key"] = self.payload["cache_key"]
        known["proxy_base_url"] = self.proxy_base_url
        tags += [f"{name}:{known[name]}" for name in self.default_tags if known.get(name) is not None]
        return list(dict.fromkeys(tags))

    def _input(self) -> str | None:
        payload = self.payload
        if _flag(self.metadata.get("mask_input")):
            return names.REDACTED
        if payload["messages"] is None:
            return None
        tools = {key: value for key, value in payload["model_parameters"].items() if key in call_facts.TOOLS}
        return jsonio.dumps({"messages": payload["messages"], **tools})

    def _output(self) -> str | None:
        payload = self.payload
        if payload["status"] == "failure":
            return self.error()
        if _flag(self.metadata.get("mask_output")):
            return names.REDACTED
        answer = call_facts.answer(payload["response"])
        return answer if answer is None or isinstance(answer, str) else jsonio.dumps(answer)

    def _prompt(self) -> tuple[str | None, int | None]:
        """The link to a managed prompt; Langfuse knows its prompts by name and number."""
        prompt = self.metadata.get("prompt")
        name, version = self.prompt_name, self.prompt_version
        if isinstance(prompt, Mapping) and prompt.get("name"):
            name, version = prompt["name"], prompt.get("version")
        if not isinstance(name, str) or not str(version).isdecimal():
            return None, None
        return name, int(version)

    def _debug(self) -> dict[str, Attribute | None]:
        if not _flag(self.metadata.get("debug_langfuse")):
            return {}
        passed = {key: value for key, value in self.metadata.items() if isinstance(value, (str, bool, int, float))}
        return {f"{_TRACE}metadata.metadata_passed_to_litellm": jsonio.dumps(passed)}


def _rendered_trace(fields: Mapping[str, Any]) -> dict[str, Attribute | None]:
    found: dict[str, Attribute | None] = {}
    extra = fields.get("metadata")
    for key, value in {**fields, **(extra if isinstance(extra, Mapping) else {"metadata": extra})}.items():
        if value is None or (key == "metadata" and isinstance(value, Mapping)):
            continue
        if key == "tags":
            found[_TRACE_FIELDS[key]] = [str(tag) for tag in (value if isinstance(value, (list, tuple)) else [value])]
        elif key == "public":
            found[_TRACE_FIELDS[key]] = _flag(value)
        elif key in _TRACE_FIELDS and key in fields:
            found[_TRACE_FIELDS[key]] = _text(value)
        else:
            found[f"{_TRACE}metadata.{key}"] = call_facts.scalar(value)
    return found


def _parameters(payload: StandardLoggingPayload) -> dict[str, Any]:
    """Langfuse takes text, numbers, booleans and lists of text; anything else goes as JSON text."""
    parameters = {}
    for key, value in call_facts.parameters(payload).items():
        texts = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        parameters[key] = value if texts or value is None else call_facts.scalar(value)
    return parameters


def _usage(payload: StandardLoggingPayload) -> dict[str, int]:
    """Token counts that do not overlap, as Langfuse multiplies each with a price of its own."""
    if not call_facts.usage_known(payload):
        return {}
    prompt, completion, total = payload["prompt_tokens"], payload["completion_tokens"], payload["total_tokens"]
    read, written = call_facts.cached_tokens(payload)
    found = {"input": max(0, prompt - read - written), "output": completion, "total": total}
    cached = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return found | {key: count for key, count in cached.items() if count}


def _first_token(payload: StandardLoggingPayload) -> str | None:
    """Only a stream has a first token before its last."""
    if not payload["stream"]:
        return None
    return call_facts.utc_text(payload["completionStartTime"])


def _flag(value: object) -> bool:
    """A boolean from metadata, where it may be text; what is neither counts as true, for it is the private side."""
    return str(value).strip().lower() not in _FALSE if value is not None else False


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else jsonio.dumps(value)


def _json(value: Mapping[str, Any]) -> str | None:
    return jsonio.dumps(value) if value else None
