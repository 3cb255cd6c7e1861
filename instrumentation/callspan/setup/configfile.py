"""The configuration file: LiteLLM's YAML shape, of which callspan reads what is about logging.

Sections: ``litellm_settings`` and ``callspan_settings`` (the same keys), ``callback_settings``,
``environment_variables``, ``include``. What belongs to LiteLLM alone (``model_list``, ``general_settings``, ...) is
left alone; a key that looks like one of ours, misspelt, is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from callspan.errors import ConfigurationError

_OURS = "callspan_settings"
_THEIRS = "litellm_settings"
_SECTIONS = (_OURS, _THEIRS, "callback_settings", "environment_variables", "include")
# How like one of ours a key must be to count as misspelt.
_SIMILAR = 0.8
_SYNONYMS = {"log_raw_request_response": "log_raw_request"}
# Settings of LiteLLM's own that come so near to one of ours.
_NOT_MISSPELT = frozenset(
    {"allow_dynamic_callback_disabling", "aws_sqs_callback_params", "fallbacks", "s3_audit_callback_params"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A value as written, and where."""

    value: Any
    where: str


@dataclass(slots=True)
class ConfigFile:
    """What a file and the files that it includes say; the including file wins.

    Attributes:
        found: settings by name, but for ``callback_settings``.
        sinks: the entries of ``callback_settings``.
        environment: the variables to export.
        problems: what is wrong with the file, in the order found.
    """

    found: dict[str, Found] = field(default_factory=dict)
    sinks: dict[str, Found] = field(default_factory=dict)
    environment: dict[str, Found] = field(default_factory=dict)
    problems: list[ConfigurationError] = field(default_factory=list)


def read(path: str, settings: Sequence[str]) -> ConfigFile:
    """Read ``path``. Never raises: what is wrong is in ``problems``.

    Args:
        path: the file.
        settings: the names of all settings.
    """
    file = ConfigFile()
    _read(Path(path), settings, file, ())
    return file


def _read(path: Path, settings: Sequence[str], file: ConfigFile, parents: tuple[Path, ...]) -> None:
    try:
        if path.resolve() in parents:
            raise ConfigurationError(f"{path}: include: the file includes itself")
        document = _document(path)
        included = _included(path, document)
    except ConfigurationError as error:
        file.problems.append(error)
        return
    for other in included:
        _read(other, settings, file, (*parents, path.resolve()))
    _check_sections(path, document, file)
    # The later update wins: callspan's own section over LiteLLM's.
    for section in (_THEIRS, _OURS):
        _take_settings(path, section, _section(path, document, section, file), settings, file)
    _take_sinks(path, document, file)
    for name, value in _section(path, document, "environment_variables", file).items():
        text = str(value).lower() if isinstance(value, bool) else value
        file.environment[name] = Found(text, f"{path}: environment_variables.{name}")


def _document(path: Path) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - only who has a file pays for the parser

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the configuration file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: expected YAML in UTF-8") from error
    except yaml.YAMLError as error:
        # Never the error's own text: it quotes the line, which may hold a secret.
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(f"{path}{line}: expected YAML: {getattr(error, 'problem', None)}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: expected a mapping of sections, got {type(document).__name__}")
    return document


def _included(path: Path, document: Mapping[str, Any]) -> list[Path]:
    names = document.get("include") or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{path}: include: expected a list of file names")
    return [path.parent / name for name in names]


def _section(path: Path, document: Mapping[str, Any], name: str, file: ConfigFile) -> Mapping[str, Any]:
    section = document.get(name)
    if section is None:
        return {}
    if isinstance(section, dict) and all(isinstance(key, str) for key in section):
        return section
    file.problems.append(ConfigurationError(f"{path}: {name}: expected a mapping, got {type(section).__name__}"))
    return {}


def _check_sections(path: Path, document: Mapping[str, Any], file: ConfigFile) -> None:
    for key in document:
        if key not in _SECTIONS and (meant := _meant(str(key), _SECTIONS)):
            file.problems.append(ConfigurationError(f"{path}: {key}: unknown section; did you mean {meant}?"))


def _take_settings(
    path: Path, section: str, values: Mapping[str, Any], settings: Sequence[str], file: ConfigFile
) -> None:
    for written, value in values.items():
        key, where = _SYNONYMS.get(written, written), f"{path}: {section}.{written}"
        if key == "callback_settings":
            _take_sinks(path, values, file)
        elif key in settings:
            if value is not None:
                file.found[key] = Found(value, where)
        elif meant := _meant(key, settings):
            file.problems.append(ConfigurationError(f"{where}: unknown key; did you mean {meant}?"))
        elif section == _OURS:
            file.problems.append(ConfigurationError(f"{where}: unknown key; expected one of {', '.join(settings)}"))


def _take_sinks(path: Path, values: Mapping[str, Any], file: ConfigFile) -> None:
    for name, entry in _section(path, values, "callback_settings", file).items():
        file.sinks[name] = Found(entry, f"{path}: callback_settings.{name}")


def _meant(key: str, known: Sequence[str]) -> str | None:
    if key in _NOT_MISSPELT:
        return None
    return next(iter(get_close_matches(key.lower(), known, n=1, cutoff=_SIMILAR)), None)
