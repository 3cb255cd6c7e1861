"""``callspan show``: one call, everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from callspan.cli import output
from callspan.cli.errors import CommandError
from callspan.cli.listing import calls, opened, outcome
from callspan.cli.transcript import transcript, withheld
from callspan_exporters.local_store import LocalStore, Row
from callspan_semconv import jsonio


def run(call: str, db: Path | None, *, as_json: bool) -> None:
    """Show the call with an id.

    Raises:
        CommandError: there is no such call, or there are several.
    """
    with opened(db) as store:
        row, payload = _found(store, call)
    if as_json:
        output.print_json({**row.as_dict(), "payload": payload})
    else:
        _print(output.console(), row, payload)


def _found(store: LocalStore, call: str) -> tuple[Row, Mapping[str, Any]]:
    candidates = store.find(call) if call else []
    exact = [row for row in candidates if call in {row.call_id, row.response_id}]
    rows = exact or candidates
    if not rows:
        raise CommandError(f"{call!r}: no call or response in {store.path} has an id that begins so")
    if len(rows) > 1:
        output.console(stderr=True).print(calls(rows, whole_ids=True))
        raise CommandError(f"{call!r}: {len(rows)} calls have an id that begins so; give more of it")
    payload = store.get(rows[0].call_id)
    if payload is None:
        raise CommandError(f"{call!r}: the call was deleted a moment ago")
    return rows[0], payload


def _print(console: Console, row: Row, payload: Mapping[str, Any]) -> None:
    _section(console, "Call", _call(row, payload))
    _section(console, "Timing", _timing(row))
    _section(console, "Usage", _usage(row))
    _section(console, "Cost", _cost(row, payload))
    _section(console, "Parameters", payload.get("model_parameters") or {})
    _section(console, "Metadata", (payload.get("metadata") or {}).get("requester_metadata") or {})
    _section(console, "Error", _error(row, payload))
    console.print("Content", style="bold underline")
    console.print(_content_state(payload))
    for said in transcript(payload):
        console.print()
        console.print(output.cell(said.who, "bold"))
        console.print(output.cell(said.text), soft_wrap=True)


def _section(console: Console, title: str, values: Mapping[str, Any]) -> None:
    shown = {
        name: value if isinstance(value, str) else jsonio.dumps(value)
        for name, value in values.items()
        if value is not None
    }
    if shown:
        console.print(title, style="bold underline")
        console.print(output.facts(shown))
        console.print()


def _call(row: Row, payload: Mapping[str, Any]) -> dict[str, Any]:
    answered_by = (payload.get("response") or {}).get("model") if isinstance(payload.get("response"), dict) else None
    return {
        "id": row.call_id,
        "response id": row.response_id,
        "trace id": row.trace_id,
        "span id": row.span_id,
        "call": row.call_type,
        "provider": row.provider,
        "model": row.model,
        "answered by": answered_by if answered_by != row.model else None,
        "server": payload.get("api_base") or None,
        "outcome": outcome(row),
        "stream": row.stream_end,
        "tags": ", ".join(row.tags) or None,
        "user": row.user,
        "session": payload.get("session_id") or None,
    }


def _timing(row: Row) -> dict[str, Any]:
    started = datetime.fromtimestamp(row.started_at).astimezone()
    return {
        "started": started.isoformat(timespec="milliseconds"),
        "first chunk": None if row.time_to_first_chunk_s is None else output.duration(row.time_to_first_chunk_s),
        "latency": output.duration(row.latency_s),
    }


def _usage(row: Row) -> dict[str, Any]:
    return {
        "input tokens": row.input_tokens,
        "cached": row.cached_tokens,
        "output tokens": row.output_tokens,
        "reasoning": row.reasoning_tokens,
    }


def _cost(row: Row, payload: Mapping[str, Any]) -> dict[str, Any]:
    if row.cost is None:
        reason = (payload.get("response_cost_failure_debug_info") or {}).get("error_str")
        return {"total": f"not known: {reason}" if reason else "not known"}
    parts = payload.get("cost_breakdown") or {}
    named = {"input": "input_cost", "cached": "cache_read_cost", "output": "output_cost", "reasoning": "reasoning_cost"}
    shown = {name: output.dollars(parts[key]) for name, key in named.items() if parts.get(key)}
    return {"total": output.dollars(row.cost), **shown}


def _error(row: Row, payload: Mapping[str, Any]) -> dict[str, Any]:
    if row.status != "failure":
        return {}
    known = payload.get("error_information") or {}
    return {
        "type": row.error_type,
        "status": known.get("error_code") or None,
        "message": payload.get("error_str"),
        "request id": known.get("error_provider_request_id"),
        "traceback": known.get("traceback") or None,
    }


def _content_state(payload: Mapping[str, Any]) -> str:
    if withheld(payload):
        return "withheld by the redaction policy of this sink"
    if not transcript(payload):
        return "not recorded"
    return "recorded"
