"""Secrets in free text and in URLs: found by shape, replaced, never logged.

Error texts echo requests, and URLs carry signatures. Every pattern is linear: it starts at the boundary of a word, its
repetitions are bounded or over characters that its continuation does not match.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from re import Match, Pattern
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

SECRET: Final = "[secret]"  # noqa: S105 - what stands in a secret's place

_START: Final = r"(?<![A-Za-z0-9_\-])"

# Shapes that vendors publish for their keys and that no word has.
_KEY: Final = re.compile(
    _START
    + "(?:"
    + "|".join(
        (
            r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
            r"AIza[A-Za-z0-9_\-]{20,}",  # Google
            r"ya29\.[A-Za-z0-9_\-]{20,}",  # Google OAuth
            r"github_pat_[A-Za-z0-9_]{20,}",
            r"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",  # JSON web token
        )
    )
    + ")"
)
# Shapes that a hyphenated name may have too ("sk-learn-contrib"): a key among them has a digit or a capital.
_LIKELY_KEY: Final = re.compile(
    _START + r"(?:(?:sk|pk|rk)[_\-][A-Za-z0-9_\-*]{8,}"  # OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse, Stripe
    r"|(?:gsk|hf|r8|pplx|gh[posu]|glpat|xai|xox[abprs]|lsv2_pt|lsv2_sk|nvapi|fw|csk|tgp_v1|whsec|dsn)[_\-]"
    r"[A-Za-z0-9_\-]{16,})"
)
_LIKELY_WORDS: Final = (
    *("sk", "pk", "rk", "hf", "r8", "pplx", "gho", "ghp", "ghs", "ghu", "glpat", "xai", "nvapi", "fw", "whsec", "dsn"),
    *("tgp_v1", "lsv2_pt", "lsv2_sk"),
)
_LIKELY_PREFIXES: Final = (*(word + joint for word in _LIKELY_WORDS for joint in "_-"), "xox")

_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[^-]*(?:-(?!----(?:BEGIN|END))[^-]*)*"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?"
)

_CREDENTIAL: Final = re.compile(r"\b(Bearer|Token)(\s{1,8})([A-Za-z0-9_+/=.~\-]{8,})", re.IGNORECASE)
_BASIC: Final = re.compile(r"\b(Basic)(\s{1,8})([A-Za-z0-9+/]{8,}={0,2})", re.IGNORECASE)

# Names that only machines write, and words of prose that need the syntax of an assignment or of JSON around them.
_MACHINE_NAMES: Final = (
    r"api[_\-]?key|access[_\-]token|refresh[_\-]token|id[_\-]token|auth[_\-]token|session[_\-]token|client[_\-]secret"
    r"|secret[_\-]?access[_\-]?key|secret[_\-]key|access[_\-]?key|account[_\-]?key|private[_\-]key"
    r"|shared[_\-]?access[_\-]?(?:signature|key)|subscription[_\-]key"
)
_PROSE_NAMES: Final = r"password|passwd|pwd|secret|authorization"
_SECRET_NAME: Final = re.compile(rf"(?:.*[^A-Za-z0-9])?(?:{_MACHINE_NAMES}|{_PROSE_NAMES})", re.IGNORECASE | re.DOTALL)
_VALUE: Final = r"""("[^"]{1,4096}"?|'[^']{1,4096}'?|[^\s"',;&)\]}<>]{3,})"""
_ASSIGNMENT: Final = re.compile(
    rf"""(?<![A-Za-z0-9])((?:{_MACHINE_NAMES}|{_PROSE_NAMES})"""
    rf"""(?:=|["']\s{{0,4}}[:=]\s{{0,4}})){_VALUE}""",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    rf"(?<![A-Za-z0-9])((?:{_MACHINE_NAMES})\s{{0,4}}[:=]\s{{1,4}}){_VALUE}",
    re.IGNORECASE,
)

_USERINFO: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.\-]{1,20}://)[^\s/@:?#\"'<>]{0,256}:[^\s/\"'<>]{1,256}@"
)
_URL: Final = re.compile(r"(?<![A-Za-z0-9])https?://[^\s\"'<>]{2,}[^\s\"'<>.,;:!?)\]}]", re.IGNORECASE)

# Query parameters of signed URLs (Azure, AWS, Google, Alibaba) and of APIs that take credentials in the query.
_CREDENTIAL_PARAMETERS: Final = frozenset(
    {
        *("sig", "signature", "se", "sv", "sp", "sr", "st", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv"),
        *("token", "access_token", "id_token", "refresh_token", "auth_token", "session_token", "security-token", "jwt"),
        *("key", "api_key", "apikey", "api-key", "subscription-key", "key-pair-id", "accesskeyid", "awsaccesskeyid"),
        *("ossaccesskeyid", "googleaccessid", "auth", "authorization", "credential", "password", "passwd", "pwd"),
        *("secret", "client_secret", "code", "session", "expires", "policy", "hmac"),
    }
)
_CREDENTIAL_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-", "x-ms-", "x-cos-", "q-sign-")


def scrub(text: str) -> str:
    """Replace secrets in free text by ``[secret]``; text without any is returned unchanged.

    Known are the key shapes of common vendors, bearer and basic credentials, JSON web tokens, private keys, passwords
    in URLs, signed URLs, and ``name=value`` or ``"name": "value"`` where the name says that the value is a secret.
    """
    lowered = text.lower()
    for needles, pattern, replacement in _RULES:
        if any(needle in lowered for needle in needles):
            text = pattern.sub(replacement, text)
    return text


def strip_url(url: str) -> str:
    """Remove userinfo and every query parameter that carries a credential, signature or expiry; keep the rest.

    A URL that does not parse is reduced to its part before the query.
    """
    if "?" not in url and "@" not in url and "#" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    host = parts.netloc.rpartition("@")[2]
    query, fragment = _strip_query(parts.query), _strip_query(parts.fragment)
    # Taking a URL apart and together again may respell it; one that carries nothing is returned as it was.
    if (host, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return url
    return urlunsplit(SplitResult(parts.scheme, host, parts.path, query, fragment))


def is_secret_name(name: str) -> bool:
    """Whether what has this name, in JSON or in settings, is a secret: ``api_key``, ``x-password``."""
    return _SECRET_NAME.fullmatch(name) is not None


def _strip_query(query: str) -> str:
    return "&".join(pair for pair in query.split("&") if not _is_credential(pair)) if query else query


def _is_credential(pair: str) -> bool:
    name = pair.partition("=")[0].lower()
    return name in _CREDENTIAL_PARAMETERS or name.startswith(_CREDENTIAL_PREFIXES)


def _is_random(text: str) -> bool:
    """Whether a word looks generated: it has a digit, a masked part, or a capital after its first letter."""
    return any("0" <= char <= "9" or char == "*" for char in text) or text[1:].lower() != text[1:]


def _mask_credential(match: Match[str]) -> str:
    scheme, space, value = match.groups()
    # "token limits-in-2024" is prose: after that word only a long unbroken value is taken for a credential.
    secret = (
        _is_random(value) if scheme.lower() == "bearer" else len(value) >= 20 and value.isalnum() and _is_random(value)
    )
    return f"{scheme}{space}{SECRET}" if secret else match[0]


def _mask_basic(match: Match[str]) -> str:
    scheme, space, value = match.groups()
    try:
        decoded = b64decode(value, validate=True)
    except ValueError:
        return str(match[0])
    return f"{scheme}{space}{SECRET}" if b":" in decoded else match[0]


def _mask_value(match: Match[str]) -> str:
    name, value = match.groups()
    # Where another pattern was here first there is nothing left to hide, and its mark must stay whole.
    if SECRET[:-1] in value:
        return str(match[0])
    quote = value[0] if value[0] in "\"'" else ""
    return f"{name}{quote}{SECRET}{quote}"


def _mask_header(match: Match[str]) -> str:
    return _mask_value(match) if _is_random(match[2].strip("\"'")) else match[0]


# What a text must hold for a pattern to be worth a look, in lower case; the pattern; what takes the place of a match.
_RULES: Final[tuple[tuple[tuple[str, ...], Pattern[str], str | Callable[[Match[str]], str]], ...]] = (
    (("private key",), _PEM, SECRET),
    (("://",), _URL, lambda match: strip_url(match[0])),
    (("://",), _USERINFO, rf"\1{SECRET}@"),
    (("bearer", "token"), _CREDENTIAL, _mask_credential),
    (("basic",), _BASIC, _mask_basic),
    (("akia", "asia", "abia", "acca", "aiza", "ya29.", "github_pat_", "eyj"), _KEY, SECRET),
    (_LIKELY_PREFIXES, _LIKELY_KEY, lambda match: SECRET if _is_random(match[0][3:]) else match[0]),
    (("key", "secret", "token", "signature", "passw", "pwd", "authorization"), _ASSIGNMENT, _mask_value),
    (("key", "secret", "token", "signature"), _HEADER, _mask_header),
)
