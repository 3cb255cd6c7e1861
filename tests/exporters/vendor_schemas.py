"""What vendors' own schemas say about a body; they lie beside the checkout, and tests are skipped where they do not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS30Validator, OAS31Validator

FOLDER = Path(__file__).parents[3] / "shared"


def json_schema_errors(file: str, body: Any) -> list[str]:
    """What a JSON schema of ``openapi/`` objects to."""
    return [error.message for error in OAS31Validator(json.loads(_text(f"openapi/{file}"))).iter_errors(body)]


def openapi_errors(file: str, path: str, media_type: str, body: Any) -> list[str]:
    """What an OpenAPI file objects to in the body of a POST."""
    spec = _spec(file)
    schema = spec["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]
    kind = OAS31Validator if spec["openapi"].startswith("3.1") else OAS30Validator
    validator = kind({**schema, "components": spec["components"]})
    return [error.message for error in validator.iter_errors(body)]


def litellm_body(name: str) -> Any:
    """What LiteLLM sends for such a call."""
    return json.loads(_text(f"samples/litellm-wire/{name}.json"))["body"]


def missing_keys(theirs: Any, ours: Any, path: str = "") -> set[str]:
    """The keys of their body that ours lacks, at any depth; of lists the first entries are compared."""
    if isinstance(theirs, dict):
        if not isinstance(ours, dict):
            return {path} if theirs else set()
        here = {f"{path}.{key}".lstrip(".") for key in theirs.keys() - ours.keys()}
        return here.union(*(missing_keys(theirs[key], ours[key], f"{path}.{key}") for key in theirs.keys() & ours))
    if isinstance(theirs, list) and isinstance(ours, list) and theirs and ours:
        return missing_keys(theirs[0], ours[0], path)
    return set()


@cache
def _text(name: str) -> str:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return path.read_text(encoding="utf-8")


@cache
def _spec(file: str) -> Any:
    return yaml.load(_text(f"openapi/{file}"), yaml.CSafeLoader)
