"""S3: what lies in the bucket, against a server that checks credentials, and what S3's answers mean."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.delivery.engine import deliver
from callspan_exporters.object_keys import bounded
from callspan_exporters.s3 import S3SpanExporter
from callspan_exporters.sink import Item, Response, Verdict
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import START_NS, finished_span, llm_span, text_messages
from tests.servers.moto import BUCKET, Moto, client, policy

KEYS: dict[str, Any] = {"s3_aws_access_key_id": "AKIAEXAMPLE", "s3_aws_secret_access_key": "secret"}


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


# --- what lies in the bucket ---------------------------------------------------------------------------------------


def test_call_is_one_object(moto: Moto) -> None:
    """A call is a StandardLoggingPayload under its start time in UTC, with headers that a browser can use."""
    assert moto.exporter(s3_path="my-test-path").export([llm_span()]) is SpanExportResult.SUCCESS
    key = "my-test-path/2026-11-21/time-03-09-59-861563_chatcmpl-1.json"
    assert list(moto.objects()) == [key]
    payload = json.loads(moto.objects()[key])
    assert (payload["id"], payload["model"], payload["status"]) == ("chatcmpl-1", "gpt-4o-mini", "success")
    head = moto.client.head_object(Bucket=BUCKET, Key=key)
    assert head["ContentType"] == "application/json"
    assert head["ContentLanguage"] == "en"
    assert head["CacheControl"] == "private, immutable, max-age=31536000, s-maxage=0"
    assert head["ContentDisposition"] == 'inline; filename="time-2026-11-21T03-09-59-861563_chatcmpl-1.json"'


def test_failures_are_there_too(moto: Moto) -> None:
    """A failed call is an object under its call id."""
    assert moto.exporter().export([llm_span(error="quota")]) is SpanExportResult.SUCCESS
    ((key, body),) = moto.objects().items()
    assert key == "2026-11-21/time-03-09-59-861563_11111111-2222-4333-8444-555555555555.json"
    assert json.loads(body)["status"] == "failure"


def test_same_call_is_the_same_object(moto: Moto) -> None:
    """Uploading a call twice leaves one object."""
    span = llm_span()
    for _ in range(2):
        assert moto.exporter().export([span]) is SpanExportResult.SUCCESS
    assert len(moto.objects()) == 1


def test_aliases_and_hours_in_the_key(moto: Moto) -> None:
    """Team and key alias become folders, but cannot climb out of theirs."""
    metadata = {"user_api_key_team_alias": "my-team-alias", "user_api_key_alias": "../k/1"}
    options = {
        "s3_path": "/p/",
        "s3_use_team_prefix": "true",
        "s3_use_key_prefix": True,
        "s3_partition_granularity": "hour",
    }
    assert moto.exporter(**options).export([llm_span(metadata=metadata)]) is SpanExportResult.SUCCESS
    assert list(moto.objects()) == ["p/my-team-alias/.._k_1/2026-11-21/03/time-03-09-59-861563_chatcmpl-1.json"]


@pytest.mark.parametrize(
    "identifier", ["resp=a+b&c d", "a/b:c", "größe", 'quote"\n\x00', "..", "lone \ud800", "x" * 2000]
)
def test_odd_ids_make_valid_keys(moto: Moto, identifier: str) -> None:
    """Whatever a provider calls its response, the object is written, within S3's limit."""
    assert moto.exporter().export([llm_span({"gen_ai.response.id": identifier})]) is SpanExportResult.SUCCESS
    (key,) = moto.objects()
    assert len(key.encode()) <= 1024
    assert key.startswith("2026-11-21/time-03-09-59-861563_")
    assert key.count("/") == 1


def test_long_keys_are_cut_with_a_digest() -> None:
    """A name is cut to 64 bytes and its digest; a folder that is too long gets a digest of its own."""
    name = "n" * 1100 + ".json"
    assert bounded("2026-11-21", name) == f"2026-11-21/{'n' * 64}_{hashlib.sha256(name.encode()).hexdigest()}"
    long_folder = "ä" * 700
    key = bounded(long_folder, name)
    assert len(key.encode()) <= 1024
    assert hashlib.sha256(long_folder.encode()).hexdigest()[:16] in key


def test_batch_file(moto: Moto) -> None:
    """With ``s3_batch_file_upload`` a flush is one file per folder, one line per call, named by its calls."""
    day_ns = 86_400_000_000_000
    spans = [llm_span({"gen_ai.response.id": f"r{n}"}, start_ns=START_NS + day_ns * (n // 2)) for n in range(4)]
    for _ in range(2):
        assert moto.exporter(s3_batch_file_upload=True).export(spans) is SpanExportResult.SUCCESS
    files = moto.objects()
    assert [[json.loads(line)["id"] for line in body.splitlines()] for body in files.values()] == [
        ["r0", "r1"],
        ["r2", "r3"],
    ]
    assert all("/batch_03-09-59_" in key and key.endswith(".jsonl") for key in files)


def test_prompts_only(moto: Moto) -> None:
    """``s3_log_prompts_only`` keeps responses out."""
    assert moto.exporter(s3_log_prompts_only=True).export([llm_span()]) is SpanExportResult.SUCCESS
    (body,) = moto.objects().values()
    assert (json.loads(body)["response"], b"I am a test." in body, b"what llm are you" in body) == (None, False, True)


def test_files_can_be_stripped(moto: Moto) -> None:
    """``s3_strip_base64_files`` leaves inline data out and text in; other sinks' payloads are not touched."""
    parts = [
        {"type": "text", "content": "see data:text/plain;base64,Y2FuYXJ5 here"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "Y2FuYXJ5"},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "Y2FuYXJ5"},
    ]
    item = Item(llm_span({"gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])}))
    (request,) = moto.exporter(s3_strip_base64_files=True).encode([item])
    assert b"Y2FuYXJ5" not in request.body
    assert request.body.count(b"[BASE64_REDACTED]") == 3
    assert b"Y2FuYXJ5" in item.json


def test_encryption_headers() -> None:
    """A KMS key alone means KMS; without KMS a key means nothing."""

    def headers(**options: Any) -> dict[str, str]:
        (request,) = S3SpanExporter(BUCKET, **KEYS, **options).encode([Item(llm_span())])
        return {name: value for name, value in request.headers.items() if name.startswith("x-amz-server")}

    kms = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "k1"}
    assert headers(s3_sse_kms_key_id="k1") == kms
    assert headers(s3_server_side_encryption="AES256", s3_sse_kms_key_id="k1") == {
        "x-amz-server-side-encryption": "AES256"
    }
    assert headers() == {}


def test_only_calls_are_written(moto: Moto) -> None:
    """A web request is no log record."""
    assert moto.exporter().export([finished_span("GET /", {})]) is SpanExportResult.SUCCESS
    assert moto.objects() == {}


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            "s3_aws_access_key_id",
            "403 InvalidAccessKeyId: the access key id does not exist: check s3_aws_access_key_id",
        ),
        ("s3_aws_secret_access_key", "403 SignatureDoesNotMatch: the secret access key is wrong: check s3_aws_secret"),
    ],
)
def test_wrong_keys_are_refused_with_the_reason(moto: Moto, option: str, said: str) -> None:
    """Wrong credentials are one clear reason at once, no endless retry."""
    report = deliver(moto.exporter(**{option: "AKIAWRONG"}), [Item(llm_span())], deadline_s=5)
    assert (report.refused, report.retried) == (1, 0)
    assert report.reason.startswith(said)
    assert moto.objects() == {}


def test_missing_bucket_is_named(moto: Moto) -> None:
    """A bucket that does not exist is said to be missing."""
    report = deliver(moto.exporter(s3_bucket_name="nobody-has-this"), [Item(llm_span())], deadline_s=5)
    assert (report.refused, report.reason) == (1, "404 NoSuchBucket: the bucket does not exist: check s3_bucket_name")


def test_credentials_of_the_environment(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing but the usual AWS variables the sink works."""
    for name, value in {
        "S3_BUCKET_NAME": BUCKET,
        "S3_PATH": "logs",
        "AWS_ACCESS_KEY_ID": moto.access_key_id,
        "AWS_SECRET_ACCESS_KEY": moto.secret_access_key,
        "AWS_REGION_NAME": "us-east-1",
        "AWS_ENDPOINT_URL": moto.url,
    }.items():
        monkeypatch.setenv(name, value)
    assert S3SpanExporter().export([llm_span()]) is SpanExportResult.SUCCESS
    assert next(iter(moto.objects())).startswith("logs/2026-11-21/")


def test_credentials_of_a_profile(moto: Moto, tmp_path: Path) -> None:
    """``s3_aws_profile_name`` is a profile of the shared files."""
    lines = ["[ci]", f"aws_access_key_id={moto.access_key_id}", f"aws_secret_access_key={moto.secret_access_key}"]
    (tmp_path / "credentials").write_text("\n".join(lines))
    exporter = moto.exporter(s3_aws_profile_name="ci", s3_aws_access_key_id=None, s3_aws_secret_access_key=None)
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS


def test_credentials_of_a_role(moto: Moto, sink_server: SinkServer) -> None:
    """``s3_aws_role_name`` is assumed with the keys, and the temporary credentials are used."""
    iam = client("iam", moto.url, moto.access_key_id, moto.secret_access_key)
    trust = policy({"Action": "sts:AssumeRole", "Principal": {"AWS": "*"}})
    role = iam.create_role(RoleName="logs", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName="logs", PolicyName="s3", PolicyDocument=policy({"Action": "s3:*", "Resource": "*"}))
    assumed = {"s3_aws_role_name": role["Arn"], "s3_aws_session_name": "logs", "s3_aws_sts_endpoint": moto.url}
    assert moto.exporter(**assumed).export([llm_span()]) is SpanExportResult.SUCCESS
    elsewhere = moto.exporter(**assumed, s3_endpoint_url=sink_server.url)
    assert elsewhere.export([llm_span()]) is SpanExportResult.SUCCESS
    elsewhere.shutdown()
    headers = sink_server.requests[0].headers
    assert "x-amz-security-token" in headers
    assert moto.access_key_id not in headers["authorization"]


def test_no_credentials_at_all(moto: Moto) -> None:
    """Without credentials anywhere the reason says so."""
    exporter = moto.exporter(s3_aws_access_key_id=None, s3_aws_secret_access_key=None)
    report = deliver(exporter, [Item(llm_span())], deadline_s=0.1)
    assert (report.delivered, report.reason) == (0, "NoCredentialsError")


def test_session_token_is_signed(sink_server: SinkServer) -> None:
    """The signature is what botocore computes, over the session token and the body's digests too."""
    exporter = S3SpanExporter(BUCKET, **KEYS, s3_aws_session_token="token", s3_endpoint_url=sink_server.url)
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (request,) = sink_server.requests
    assert request.headers["content-md5"] == base64.b64encode(hashlib.md5(request.body).digest()).decode()
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
    signed_names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"content-md5", "content-type", "host", "x-amz-security-token"} <= set(signed_names)
    again = AWSRequest(
        "PUT", sink_server.url + request.path, {name: request.headers[name] for name in signed_names}, request.body
    )
    again.context["timestamp"] = request.headers["x-amz-date"]
    auth = S3SigV4Auth(Credentials("AKIAEXAMPLE", "secret", "token"), "s3", "us-east-1")
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    assert request.headers["authorization"].endswith(f"Signature={signature}")


def test_forked_worker_delivers(moto: Moto) -> None:
    """A worker that was forked after the parent had uploaded uploads too."""
    script = """
import os, sys
from callspan_exporters.s3 import S3SpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult
from tests.exporters.sink_spans import llm_span
exporter = S3SpanExporter()
ok = exporter.export([llm_span({"gen_ai.response.id": "parent"})]) is SpanExportResult.SUCCESS
child = os.fork()
if child == 0:
    os._exit(0 if exporter.export([llm_span({"gen_ai.response.id": "child"})]) is SpanExportResult.SUCCESS else 1)
sys.exit(0 if ok and os.waitpid(child, 0)[1] == 0 else 1)
"""
    environment = {
        **os.environ,
        "S3_BUCKET_NAME": BUCKET,
        "AWS_ENDPOINT_URL": moto.url,
        "AWS_ACCESS_KEY_ID": moto.access_key_id,
        "AWS_SECRET_ACCESS_KEY": moto.secret_access_key,
    }
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], env=environment, cwd=root, check=True, timeout=60)
    assert [key.rpartition("_")[2] for key in moto.objects()] == ["child.json", "parent.json"]


def test_secrets_stay_out_of_logs(moto: Moto, caplog: pytest.LogCaptureFixture) -> None:
    """No key, no prompt and no signature in a log line, even at debug level."""
    caplog.set_level("DEBUG", logger="callspan_exporters")
    assert moto.exporter(s3_aws_secret_access_key="canary").export([llm_span()]) is SpanExportResult.FAILURE
    assert caplog.records
    assert [text for text in ("canary", "what llm are you", "Signature=") if text in caplog.text] == []


# --- addresses and answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"s3_region_name": "us-west-2"}, f"https://{BUCKET}.s3.us-west-2.amazonaws.com/"),
        ({"s3_region_name": "cn-north-1"}, f"https://{BUCKET}.s3.cn-north-1.amazonaws.com.cn/"),
        (
            {"s3_region_name": "us-west-2", "s3_endpoint_url": "https://s3.amazonaws.com"},
            f"https://{BUCKET}.s3.us-west-2.amazonaws.com/",
        ),
        ({"s3_endpoint_url": "http://minio:9000/"}, f"http://minio:9000/{BUCKET}/"),
        (
            {"s3_endpoint_url": "https://r2.example", "s3_use_virtual_hosted_style": "true"},
            f"https://{BUCKET}.r2.example/",
        ),
        ({"bucket_name": "a.b"}, "https://s3.us-east-1.amazonaws.com/a.b/"),
        ({"s3_use_ssl": False}, f"http://{BUCKET}.s3.us-east-1.amazonaws.com/"),
    ],
)
def test_addresses(options: dict[str, Any], url: str) -> None:
    """Each service is addressed as it wants: by host name, by path, in its region."""
    exporter = S3SpanExporter(**{"bucket_name": BUCKET, **options})
    (request,) = exporter.encode([Item(llm_span())])
    assert request.target == f"{url}2026-11-21/time-03-09-59-861563_chatcmpl-1.json"


@pytest.mark.parametrize(
    ("verdict", "answers"),
    [
        (Verdict.DELIVERED, "200"),
        (Verdict.RETRY, "403 AccessDenied, 403 RequestTimeTooSkewed, 400 ExpiredToken, 400 RequestTimeout"),
        (Verdict.RETRY, "409 OperationAborted, 429, 500 InternalError, 503 SlowDown"),
        (Verdict.REFUSED, "403 InvalidAccessKeyId, 403 SignatureDoesNotMatch, 400 InvalidDigest, 400 MalformedXML"),
        (Verdict.REFUSED, "404 NoSuchBucket, 301 PermanentRedirect, 400 AuthorizationHeaderMalformed"),
        (Verdict.SPLIT, "400 EntityTooLarge, 413"),
    ],
)
def test_answers(verdict: Verdict, answers: str) -> None:
    """What recovers is retried, after the time that S3 asks for; what cannot is refused."""
    exporter = S3SpanExporter(BUCKET)
    for answer in answers.split(", "):
        status, _, code = answer.partition(" ")
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>canary</Message></Error>".encode()
        outcome = exporter.classify(Response(int(status), {"retry-after": "5"}, body))
        assert outcome.verdict is verdict, answer
        assert outcome.retry_after_s == (5 if verdict is Verdict.RETRY else None)
        assert outcome.reason.startswith(answer) or verdict is Verdict.DELIVERED
        assert "canary" not in outcome.reason


def test_terminal_errors_can_be_kept_alive() -> None:
    """``s3_drop_on_terminal_error: false`` retries what S3 calls invalid."""
    answer = Response(400, {}, b"<Error><Code>InvalidDigest</Code></Error>")
    assert S3SpanExporter(BUCKET, s3_drop_on_terminal_error=False).classify(answer).verdict is Verdict.RETRY


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "s3_bucket_name is missing; set the environment variable S3_BUCKET_NAME, or pass s3_bucket_name="),
        ({"s3_bucket_nam": "b"}, "unknown option 's3_bucket_nam'; expected one of .*bucket_name"),
        ({"s3_bucket_name": "b", "bucket_name": "b"}, "bucket_name is given twice"),
        ({"s3_bucket_name": "b", "s3_use_ssl": "maybe"}, "s3_use_ssl is 'maybe'; expected true or false"),
        ({"s3_bucket_name": "b", "s3_partition_granularity": "week"}, "'week'; expected 'day' or 'hour'"),
        ({"s3_bucket_name": "b", "s3_endpoint_url": "minio:9000"}, "s3_endpoint_url: 'minio:9000' is not a URL"),
        ({"s3_bucket_name": "b", "s3_server_side_encryption": "rot13"}, "'rot13'; expected AES256"),
        ({"s3_bucket_name": "b", "s3_aws_access_key_id": "k"}, "only useful together"),
        ({"s3_bucket_name": "b", "s3_aws_web_identity_token": "/t"}, "needs s3_aws_role_name"),
        ({"s3_bucket_name": "b", "s3_config": {"x": 1}}, "s3_config holds settings of boto3's client"),
        ({"s3_bucket_name": "b", "s3_api_version": "2020"}, "'2020' does not exist"),
        ({"s3_bucket_name": "b", "s3_batch_size": "many"}, "'many' is not a number at least 1"),
        ({"s3_bucket_name": "b", "s3_verify": "/no/ca.pem"}, "TLS: cannot use /no/ca.pem"),
    ],
)
def test_wrong_option_is_one_clear_error(options: dict[str, Any], said: str) -> None:
    """The error names the option and what was expected."""
    with pytest.raises(ValueError, match=said):
        S3SpanExporter(**options)


def test_every_option_of_litellm_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """A complete ``s3_callback_params`` loads; what delivery decides by itself is said once."""
    exporter = S3SpanExporter(
        s3_bucket_name="b", s3_region_name="us-west-2", s3_api_version=None, s3_use_ssl=True, s3_verify=True,
        s3_endpoint_url=None, s3_use_virtual_hosted_style=False, **KEYS, s3_aws_session_token="t",
        s3_aws_session_name="n", s3_aws_profile_name=None, s3_aws_role_name=None, s3_aws_web_identity_token=None,
        s3_aws_sts_endpoint=None, s3_config=None, s3_path="p", s3_use_team_prefix=True, s3_use_key_prefix=False,
        s3_strip_base64_files=False, s3_server_side_encryption="AES256", s3_sse_kms_key_id=None,
        s3_log_prompts_only=False, s3_partition_granularity="day", s3_flush_interval=10, s3_batch_size=100,
        s3_max_concurrent_uploads=4, s3_adaptive_concurrency=True, s3_max_adaptive_concurrency=200,
        s3_max_queue_size=50000, s3_max_retry_age_seconds=3600, s3_drop_on_terminal_error=True,
        s3_batch_file_upload=False,
    )  # fmt: skip
    assert (exporter.concurrency, exporter.batching.max_items, exporter.batching.interval_s) == (4, 100, 10)
    assert [record.message.partition(" has no effect")[1] for record in caplog.records] == [" has no effect"]


def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setattr("callspan_exporters.extras.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'callspan\[s3\]'"):
        S3SpanExporter(BUCKET)


def test_many_calls_go_in_parallel(sink_server: SinkServer) -> None:
    """A batch of objects does not wait for each other: at most so many at once, all of them there."""
    exporter = S3SpanExporter(BUCKET, **KEYS, s3_endpoint_url=sink_server.url, s3_max_concurrent_uploads=8)
    texts = {"gen_ai.input.messages": text_messages("user", "x" * 50_000)}
    assert (
        exporter.export([llm_span({**texts, "gen_ai.response.id": f"r{n}"}) for n in range(64)])
        is SpanExportResult.SUCCESS
    )
    assert len({request.path for request in sink_server.requests}) == 64
    exporter.shutdown()
