"""Secrets leave free text and URLs; everything else stays."""

import time

import pytest

from callspan_semconv.secrets import scrub, strip_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Incorrect API key provided: sk-proj-Ab1cd2EF3gh4. See docs.",
            "Incorrect API key provided: [secret]. See docs.",
        ),
        ("sk-ant-api03-AbCdEf0123456789-xyz", "[secret]"),
        ("key sk-1234567890ab!", "key [secret]!"),
        ("AKIAIOSFODNN7EXAMPLE is yours", "[secret] is yours"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstu", "[secret]"),
        ("gsk_abcdefghij0123456789abcd", "[secret]"),
        ("hf_abcdefghij0123456789", "[secret]"),
        ("xai-abcdefghij0123456789", "[secret]"),
        ("pk-lf-12345678-aaaa", "[secret]"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [secret]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [secret]"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF-123 end", "jwt [secret] end"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nMIIE\n-----END RSA PRIVATE KEY----- rest",
            "[secret] rest",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "[secret]"),
        ("postgres://user:p@ss@host/db", "postgres://[secret]@host/db"),
        ("redis://:pw@cache:6379/0", "redis://[secret]@cache:6379/0"),
        ("AccountName=x;AccountKey=abc123==;Endpoint=y", "AccountName=x;AccountKey=[secret];Endpoint=y"),
        ("OPENAI_API_KEY=hunter2abc", "OPENAI_API_KEY=[secret]"),
        ("{'api_key': 'hunter2', \"password\": \"x y\"}", "{'api_key': '[secret]', \"password\": \"[secret]\"}"),
        ("x-api-key: abc123def", "x-api-key: [secret]"),
        ("Server=db;Password=hunter2;", "Server=db;Password=[secret];"),
        ("at https://user:pw@host/x?a=1.", "at https://host/x?a=1."),
        (
            "see https://a.blob.core.windows.net/c?sv=2020&sig=abc%3D&n=1 now",
            "see https://a.blob.core.windows.net/c?n=1 now",
        ),
    ],
)
def test_secrets_are_replaced(text: str, expected: str) -> None:
    """Error texts that echo credentials can be logged."""
    assert scrub(text) == expected
    assert scrub(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The sk-learn-contrib project is a bearer of news; basic knowledge-of-2024 and token limits-in-2024 matter.",
        "password: the user forgot it. The secret: always be kind.",
        "He said the secret: 'always be kind'",
        "risk-management-2024-report, task-12345678-done",
        "Use the basic gpt-4o-mini-2024-07-18 model",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10000 tokens.",
        "See https://platform.openai.com/docs?x=1#frag, mail a@b.example and https://medium.com/@user/post.",
        '{"token": "Paris", "logprob": -0.1}',
        "Bearer authentication is required; basic architecture and basic understanding help",
        "max_tokens=200, top_p=0.5, key=value, monkey=3",
        "api_key: required",
        "What is the secret of life? Set the api_key parameter.",
        "hf-internal-testing/tiny-random-model",
        "日本語のテキスト with an émigré",
    ],
)
def test_prose_passes_unchanged(text: str) -> None:
    """Redaction of secrets does not eat ordinary text."""
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/p", "https://h/p"),
        ("https://h/p?a=1&b=2#c", "https://h/p?a=1&b=2#c"),
        ("https://h/p?", "https://h/p?"),
        ("https://user:pw@h:8443/p", "https://h:8443/p"),
        ("https://token@h/p", "https://h/p"),
        ("https://h/@user", "https://h/@user"),
        ("https://b.s3.amazonaws.com/o?X-Amz-Algorithm=A&X-Amz-Signature=s&X-Amz-Credential=c&w=1", None),
        ("https://a.blob.core.windows.net/c?sv=1&se=2&sp=r&sig=x&w=1", None),
        ("https://storage.googleapis.com/b/o?GoogleAccessId=a&Expires=1&Signature=s&w=1", None),
        ("https://h/p?key=abc&w=1", None),
        ("https://h/p?access_token=abc&w=1", None),
        ("https://h/p?API_KEY=abc&w=1", None),
        ("https://h/p#access_token=abc", "https://h/p"),
        ("https://u:pw@[bad/p?sig=1", "[bad/p"),
    ],
)
def test_urls_lose_their_credentials(url: str, expected: str | None) -> None:
    """A signed URL names the object and no longer opens it."""
    assert strip_url(url) == (url.partition("?")[0] + "?w=1" if expected is None else expected)


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "sk-", "sk-a", "gsk_", "xox", "eyJ", "eyJaaaaaaaaa.", "AIza", "-----BEGIN PRIVATE KEY-----", "-"),
        *("https://", "https://a:", "https://.", "://", "a://:", "api_key_", "x-api-key: ", "password='", "a_", '"'),
        *("bearer ", "Bearer a", "basic ", "token ", "key=", "key ", "?", "&sig="),
    ],
)
def test_long_texts_do_not_stall(unit: str) -> None:
    """A megabyte of anything is searched within a second."""
    text = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    started = time.process_time()
    scrub(text)
    strip_url("https://h/?" + text)
    assert time.process_time() - started < 1.0
