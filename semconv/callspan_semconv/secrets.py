"""Secrets in free text and in URLs: found by shape, replaced, never logged.

Error texts echo requests, and URLs carry signatures. The patterns are linear: every repetition is over one character
class that its successor does not match, so no input makes them slow.
"""

import re
from functools import lru_cache
from re import Match
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

SECRET: Final = "[secret]"

# Shapes that vendors publish for their keys. A key starts a word: "risk-management" is no "sk-" key.
_KEYS: Final = (
    r"sk-(?:ant-|proj-|or-v1-|svcacct-|admin-|lf-)?[A-Za-z0-9_\-]*[0-9A-Z_][A-Za-z0-9_\-*.]{7,}",  # OpenAI and kin, masked too
    r"pk-lf-[A-Za-z0-9\-]{8,}",  # Langfuse
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"AIza[A-Za-z0-9_\-]{20,}",  # Google
    r"ya29\.[A-Za-z0-9_\-.]{20,}",  # Google OAuth
    r"(?:gsk|hf|r8|pplx|ghp|gho|ghs|ghu|glpat|xox[abprs]|lsv2_pt|lsv2_sk|nvapi|fw|csk|tgp_v1|sk_live|rk_live|whsec)"
    r"[_\-][A-Za-z0-9_\-]{16,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"xai-[A-Za-z0-9]{20,}",
    r"dsn_[A-Za-z0-9]{20,}",
    r"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",  # JWT
)
_KEY: Final = re.compile(r"(?<![A-Za-z0-9_\-])(?:" + "|".join(_KEYS) + ")")

_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?"
)

# "Bearer of news" is prose: a credential has a digit, or a sign that words lack.
_SCHEME: Final = re.compile(
    r"\b(Bearer|Basic|Token|ApiKey)\s{1,8}(?=[A-Za-z]{0,200}[0-9_+/=.~\-])[A-Za-z0-9_+/=.~\-]{12,}", re.I
)

_FIELD_NAMES: Final = (
    r"api[_\-]?key|apikey|access[_\-]?token|refresh[_\-]?token|id[_\-]?token|auth[_\-]?token|session[_\-]?token"
    r"|client[_\-]?secret|secret[_\-]?access[_\-]?key|secret[_\-]?key|access[_\-]?key|account[_\-]?key"
    r"|shared[_\-]?access[_\-]?signature|private[_\-]?key|password|passwd|pwd|secret|authorization|x-goog-api-key"
)
# name=value and "name": "value". A colon without quotes is prose ("password: the user forgot it") unless the name is
# one that only machines write.
_FIELD: Final = re.compile(
    rf"""(?<![A-Za-z0-9])((?:[A-Za-z0-9]{{1,40}}[_\-]){{0,4}}(?:{_FIELD_NAMES})["']?\s{{0,4}}(?:=|:(?=\s{{0,4}}["']))\s{{0,4}})"""
    r"""(?:"[^"]{1,4096}"|'[^']{1,4096}'|[^\s"',;&)\]}<>]{3,})""",
    re.I,
)
_HEADER: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:x-|x-goog-|ocp-apim-)?(?:api[_\-]key|subscription-key)\s{0,4}:\s{0,4})[^\s\"',;&)\]}<>]{8,}",
    re.I,
)

_USERINFO: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.\-]{1,20}://)[^\s/@:?#\"'<>]{0,256}:[^\s/@?#\"'<>]{1,256}@"
)
_URL: Final = re.compile(r"(?<![A-Za-z0-9])https?://[^\s\"'<>]{4,}", re.I)

# A cheap look first: most texts hold none of these and are returned as they are.
_HINT: Final = re.compile(
    r"sk-|pk-lf|A[KSBC][IC]A|AIza|ya29|gsk|hf_|r8_|pplx|gh[posu]_|glpat|xox|lsv2|nvapi|fw_|csk|tgp_|_live_|whsec|github_pat"
    r"|xai-|dsn_|eyJ|PRIVATE KEY|bearer|basic|token|key|secret|passw|pwd|signature|authoriz|://",
    re.I,
)

_CREDENTIAL_PARAMETERS: Final = frozenset(
    "sig signature se sv sp sr st spr skoid sktid skt ske sks skv token key api_key apikey api-key access_token id_token"
    " refresh_token auth auth_token authorization password passwd pwd secret client_secret code session session_token"
    " expires policy key-pair-id awsaccesskeyid googleaccessid accesskeyid security-token ossaccesskeyid credential jwt"
    " subscription-key hash hmac x-oss-signature".split()
)
_CREDENTIAL_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-", "x-ms-", "x-cos-", "q-sign-")


def scrub(text: str) -> str:
    """Replace secrets in free text by ``[secret]``; text without any is returned unchanged.

    Known are the key shapes of common vendors, bearer and basic credentials, JSON web tokens, private keys, passwords in
    URLs, signed URLs, and ``name=value`` or ``"name": "value"`` where the name says that the value is a secret.
    """
    if _HINT.search(text) is None:
        return text
    text = _PEM.sub(SECRET, text)
    text = _USERINFO.sub(rf"\1{SECRET}@", text)
    text = _URL.sub(_strip_match, text)
    text = _SCHEME.sub(rf"\1 {SECRET}", text)
    text = _KEY.sub(SECRET, text)
    text = _HEADER.sub(rf"\1{SECRET}", text)
    return _FIELD.sub(_mask_field, text)


@lru_cache(maxsize=256)
def strip_url(url: str) -> str:
    """Remove userinfo and every query parameter that carries a credential, signature or expiry; keep the rest.

    A URL that does not parse is reduced to its part before the query.
    """
    if "?" not in url and "@" not in url and "#" not in url:
        return url
    try:
        parts = urlsplit(url)
        location = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    return urlunsplit(
        SplitResult(parts.scheme, location, parts.path, _strip_query(parts.query), _strip_query(parts.fragment))
    )


def _strip_query(query: str) -> str:
    return "&".join(pair for pair in query.split("&") if not _is_credential(pair))


def _is_credential(pair: str) -> bool:
    name = pair.partition("=")[0].lower()
    return name in _CREDENTIAL_PARAMETERS or name.startswith(_CREDENTIAL_PREFIXES)


def _strip_match(match: Match[str]) -> str:
    url: str = match.group()
    return url if url.endswith(f"{SECRET}@") else strip_url(url)


def _mask_field(match: Match[str]) -> str:
    # Where another pattern was here first there is nothing left to hide, and masking twice would eat the text around.
    return match.group() if SECRET in match.group() else f"{match.group(1)}{SECRET}"
