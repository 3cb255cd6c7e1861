"""What masks look for: named patterns, each with its replacement."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MaskPattern:
    """Replaces what matches.

    Attributes:
        name: what it finds.
        regex: how candidates look. Bound every repetition: texts may be megabytes of base64.
        replacement: a replacement template as in `re.sub`.
        genuine: how many characters of a candidate, from its start, are what the pattern is after; 0 if none.
            Default: every candidate is, as a whole.
    """

    name: str
    regex: re.Pattern[str]
    replacement: str
    genuine: Callable[[str], int] | None = None

    def apply(self, text: str) -> str:
        """Replace every match in ``text``."""
        return (
            self.regex.sub(self.replacement, text) if self.genuine is None else self._apply_checked(text, self.genuine)
        )

    def _apply_checked(self, text: str, genuine: Callable[[str], int]) -> str:
        """Candidates may overlap: where one is not genuine, the search goes on right after its first character."""
        done: list[str] = []
        copied = position = 0
        while match := self.regex.search(text, position):
            length = genuine(match[0])
            position = match.start() + max(length, 1)
            if length:
                done += (text[copied : match.start()], match.expand(self.replacement))
                copied = position
        return "".join((*done, text[copied:])) if done else text


def patterns_from(
    patterns: Iterable[str | MaskPattern] | Mapping[str, str | tuple[str, str] | re.Pattern[str]] | None,
) -> tuple[MaskPattern, ...]:
    """Read the patterns of a mask.

    Args:
        patterns: names of built-in patterns and `MaskPattern` objects; or a mapping of the name to a regular
            expression, or to a pair of expression and replacement (default ``[NAME]``). None: all built-in patterns.

    Raises:
        ValueError: if a name is not built in, or an expression does not compile or matches the empty text.
    """
    if patterns is None:
        return tuple(BUILT_IN.values())
    if isinstance(patterns, str):
        return (_built_in(patterns),)
    if isinstance(patterns, Mapping):
        return tuple(_custom(name, spec) for name, spec in patterns.items())
    return tuple(item if isinstance(item, MaskPattern) else _built_in(item) for item in patterns)


def _built_in(name: str) -> MaskPattern:
    if name not in BUILT_IN:
        raise ValueError(
            f"unknown mask pattern {name!r}: expected one of {', '.join(BUILT_IN)}, or a mapping of name to regex"
        )
    return BUILT_IN[name]


def _custom(name: str, spec: str | tuple[str, str] | re.Pattern[str]) -> MaskPattern:
    try:
        regex, replacement = spec if isinstance(spec, (tuple, list)) else (spec, f"[{name.upper()}]")
        pattern = MaskPattern(name, re.compile(regex), replacement)
        # Also reads the replacement, which may refer to groups that are not there.
        matches_empty = pattern.apply("") != ""
    except (re.error, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"mask pattern {name!r}: expected a regular expression, or a pair of expression and "
                         f"replacement: {error}") from error  # fmt: skip
    if matches_empty:
        raise ValueError(f"mask pattern {name!r}: expected a regular expression that does not match the empty text")
    return pattern


def _luhn(candidate: str) -> int:
    """Check digit of payment cards: ISO/IEC 7812-1, annex B."""
    digits = [int(char) for char in candidate if char.isdigit()]
    doubled = (sum(divmod(digit * 2, 10)) for digit in digits[-2::-2])
    return len(candidate) if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else 0


def _iban(candidate: str) -> int:
    """Check digits of bank accounts: ISO 13616-1, modulo 97; what follows in capitals may be a word of the text."""
    ends = [index for index, char in enumerate(candidate) if char == " "]
    for end in (len(candidate), *reversed(ends)):
        compact = candidate[:end].replace(" ", "")
        if len(compact) >= 15 and int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1:
            return end
    return 0


def _ip_address(candidate: str) -> int:
    try:
        ipaddress.ip_address(candidate)
    except ValueError:
        return 0
    return len(candidate) if candidate != "::" else 0


def _pattern(name: str, regex: str, genuine: Callable[[str], int] | None = None) -> MaskPattern:
    return MaskPattern(name, re.compile(regex, re.VERBOSE), f"[{name.upper()}]", genuine)


# Digits are written [0-9]: \d matches those of every script, which no check digit knows.
BUILT_IN: Final[Mapping[str, MaskPattern]] = {
    pattern.name: pattern
    for pattern in (
        # Longer than RFC 5321 4.5.3.1 allows; that it starts only where a word does keeps it linear.
        _pattern("email", r"(?<![\w.+%-]) [\w.+%'-]{1,256} @ (?:[\w-]{1,63}\.){1,8} [^\W\d_]{2,24}"),
        # In one piece, or as printed on cards: 4-4-4-4, 4-6-5 (American Express), 4-6-4 (Diners Club).
        _pattern(
            "credit_card",
            r"""(?<![0-9]) (?: [0-9]{13,19} | [0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}
                | [0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5} ) (?![0-9])""",
            _luhn,
        ),
        # Area 000, 666 and 9xx, group 00 and serial 0000 are never issued (Social Security Administration).
        _pattern(
            "us_ssn",
            r"(?<![0-9]) (?!000|666|9) [0-9]{3} ([ -]) (?!00) [0-9]{2} \1 (?!0000) [0-9]{4} (?![0-9])",
        ),
        _pattern(
            "iban",
            r"(?<![A-Za-z0-9]) [A-Z]{2}[0-9]{2} (?:[ ]?[A-Z0-9]{4}){2,7} (?:[ ]?[A-Z0-9]{1,3})? (?![A-Za-z0-9])",
            _iban,
        ),
        _pattern(
            "ip_address",
            r"""(?<![\w.:]) (?: [0-9]{1,3}(?:\.[0-9]{1,3}){3}
                | [0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3} ) (?![\w:]|\.[0-9])""",
            _ip_address,
        ),
        # With a country code (ITU-T E.164), or in North American form.
        _pattern(
            "phone",
            r"""(?<![\w.]) (?: \+[0-9]{1,3}(?:[ .-]?\([0-9]{1,4}\))?(?:[ .-]?[0-9]{1,4}){2,5}
                | (?:\([0-9]{3}\)[ ]?|[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4} ) (?![0-9])""",
        ),
    )
}
