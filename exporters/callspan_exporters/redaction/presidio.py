"""Microsoft Presidio as a callable for masks; needs the extra ``callspan[presidio]``.

Presidio's own way to a language model is to download one. Here nothing is ever fetched: not a model, and not the list
of domain suffixes that its recognizer of addresses asks a server for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Final

_logger = logging.getLogger(__name__)

# What only a trained model finds.
_NEED_A_MODEL: Final = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP"})
_PIPE: Final = "callspan_lower_case_lemmas"
_building = Lock()


@dataclass(frozen=True)
class Presidio:
    """Replaces what Presidio finds by ``[ENTITY]``. Equal settings share one engine, built with the first text.

    Args:
        entities: Presidio's names of what to find; a single one may be a string. Empty: all that it finds in this
            language without a model, and with ``model`` also what that finds.
        language: of the texts: a code that Presidio and spaCy know.
        score_threshold: how sure Presidio must be, 0 to 1.
        model: an installed spaCy package, or its folder. Names of people, places and organizations need one.

    Raises:
        ImportError: Presidio is not installed, or ``model`` is not.
        ValueError: a setting is wrong. Whether Presidio knows the entities and the language shows at the first text.
    """

    entities: Sequence[str] = ()
    language: str = "en"
    score_threshold: float = 0.5
    model: str | None = None

    def __post_init__(self) -> None:
        if find_spec("presidio_analyzer") is None:
            raise ImportError("Presidio is not installed: pip install 'callspan[presidio]'")
        entities = (self.entities,) if isinstance(self.entities, str) else tuple(self.entities)
        object.__setattr__(self, "entities", entities)
        needy = ", ".join(sorted(_NEED_A_MODEL.intersection(entities)))
        if needy and self.model is None:
            raise ValueError(f"entities: {needy}: expected `model` as well, a spaCy model that finds them")
        if not isinstance(self.score_threshold, (int, float)) or not 0 <= self.score_threshold <= 1:
            raise ValueError(f"score_threshold: expected a number from 0 to 1, got {self.score_threshold!r}")
        if self.model is not None and not _is_installed(self.model):
            raise ImportError(f"model: the spaCy model {self.model!r} is not installed")

    def __call__(self, text: str) -> str:
        """Return ``text`` with what was found replaced.

        Raises:
            ValueError: Presidio cannot work with these settings; said in the log once.
        """
        with _building:
            engine, problem = _built(self)
        if problem:
            raise ValueError(problem)
        found = engine.analyze(
            text=text,
            language=self.language,
            entities=list(self.entities) or None,
            score_threshold=self.score_threshold,
        )
        return _replaced(text, found)


def _is_installed(model: str) -> bool:
    return Path(model).is_dir() or (model.isidentifier() and find_spec(model) is not None)


@lru_cache(maxsize=16)
def _built(settings: Presidio) -> tuple[Any, str]:
    """The engine, or why there is none: another try would take as long and fail alike."""
    try:
        engine = _build(settings.language, settings.model)
        _check(settings.entities, engine.get_supported_entities(settings.language))
    except Exception as error:  # noqa: BLE001 - the boundary to Presidio and spaCy, which have not seen content yet
        _logger.error("callspan: presidio: %s; what was to be masked is withheld", error)
        return None, str(error)
    return engine, ""


def _build(language: str, model: str | None) -> Any:
    # Imported here: with spaCy they take most of a second of CPU, which only the worker is to pay.
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: PLC0415

    nlp_engine = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model or "blank"}])
    nlp_engine.nlp = {language: _pipeline(language, model)}  # its own `load` would download the model
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=nlp_engine)
    _keep_offline(registry.recognizers)
    return AnalyzerEngine(registry=registry, nlp_engine=nlp_engine, supported_languages=[language])


def _check(wanted: Iterable[str], supported: Iterable[str]) -> None:
    """Presidio itself only warns of an entity that it does not know, and would let it out."""
    unknown = sorted(set(wanted) - set(supported))
    if unknown:
        raise ValueError(f"unknown entities {', '.join(unknown)}; expected some of {', '.join(sorted(supported))}")


def _pipeline(language: str, model: str | None) -> Any:
    import spacy  # noqa: PLC0415 - as in `_build`
    from spacy.language import Language  # noqa: PLC0415

    if model is not None:
        return spacy.load(model)
    # Recognizers look at the words around a match; a blank pipeline leaves the forms empty that they compare.
    Language.component(_PIPE, func=_lower_case_lemmas)
    pipeline = spacy.blank(language)
    pipeline.add_pipe(_PIPE)
    return pipeline


def _lower_case_lemmas(document: Any) -> Any:
    for token in document:
        token.lemma_ = token.lower_
    return document


def _keep_offline(recognizers: Iterable[Any]) -> None:
    import tldextract  # noqa: PLC0415 - as in `_build`
    from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415

    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # those that come with the package

    def ends_in_a_domain(address: str) -> bool:
        return bool(suffixes(address).fqdn)

    for recognizer in recognizers:
        if isinstance(recognizer, EmailRecognizer):
            recognizer.validate_result = ends_in_a_domain


def _replaced(text: str, found: Iterable[Any]) -> str:
    """Replace from left to right; of findings that overlap, what is covered goes and the surest gives the name."""
    done: list[str] = []
    position = 0
    for start, end, entity in _disjoint(found):
        done += (text[position:start], f"[{entity}]")
        position = end
    return "".join((*done, text[position:]))


def _disjoint(found: Iterable[Any]) -> list[tuple[int, int, str]]:
    disjoint: list[tuple[int, int, str]] = []
    score = 0.0
    for each in sorted(found, key=lambda result: result.start):
        start, end, entity = each.start, each.end, each.entity_type
        if disjoint and start < disjoint[-1][1]:
            before = disjoint.pop()
            start, end = before[0], max(before[1], end)
            entity = entity if each.score > score else before[2]
            score = max(score, each.score)
        else:
            score = each.score
        disjoint.append((start, end, entity))
    return disjoint
