"""Google Cloud Storage and Azure Blob Storage: what lies there, who may write, and what answers mean."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.azure import AzureBlobSpanExporter
from callspan_exporters.delivery.engine import Report, deliver
from callspan_exporters.gcs import GCSSpanExporter
from callspan_exporters.object_store import ObjectStoreExporter
from callspan_exporters.s3 import S3SpanExporter
from callspan_exporters.sink import Item, Response, Verdict
from tests.exporters.servers import Answer, Received, SinkServer
from tests.exporters.sink_spans import finished_span, llm_span
from tests.servers.azurite import ACCOUNT, CONTAINER, KEY, Azurite, run_azurite
from tests.servers.cache import npm_available
from tests.servers.gcs import BUCKET, GCS

Store = GCS | Azurite


@pytest.fixture(params=["gcs", "azurite"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each of the stores, empty."""
    found: Store = request.getfixturevalue(request.param)
    return found


def sent(exporter: ObjectStoreExporter, spans: Sequence[ReadableSpan]) -> SpanExportResult:
    """Export, and close connections."""
    try:
        return exporter.export(spans)
    finally:
        exporter.shutdown()


def delivered(exporter: ObjectStoreExporter, deadline_s: float) -> Report:
    """What becomes of one call."""
    try:
        return deliver(exporter, [Item(llm_span())], deadline_s)
    finally:
        exporter.shutdown()


# --- what lies there -------------------------------------------------------------------------------------------------


def test_same_object_in_every_store(store: Store) -> None:
    """A call has the same key and the same body as in S3, whether it succeeded or failed."""
    spans = [llm_span(), llm_span(error="quota")]
    assert sent(store.exporter(), spans) is SpanExportResult.SUCCESS
    in_s3 = {
        request.target.partition("amazonaws.com/")[2]: request.body
        for request in S3SpanExporter("bucket").encode([Item(span) for span in spans])
    }
    assert store.objects() == in_s3
    assert {json.loads(body)["status"] for body in in_s3.values()} == {"success", "failure"}


def test_same_call_is_the_same_object(store: Store) -> None:
    """Uploading a call twice leaves one object, and both count as delivered."""
    span = llm_span()
    for _ in range(2):
        assert sent(store.exporter(), [span]) is SpanExportResult.SUCCESS
    assert len(store.objects()) == 1


@pytest.mark.parametrize("identifier", ["resp=a+b&c d", "a/b:c?#%2F", "größe", 'quote"\n\x00', "..", "x" * 2000])
def test_odd_ids_make_valid_keys(store: Store, identifier: str) -> None:
    """Whatever a provider calls its response, the object is written."""
    assert sent(store.exporter(), [llm_span({"gen_ai.response.id": identifier})]) is SpanExportResult.SUCCESS
    (key,) = store.objects()
    assert key.startswith("2026-11-21/time-03-09-59-861563_")
    assert key.count("/") == 1


def test_options_of_every_store(store: Store) -> None:
    """Aliases, hours, batch files and prompts only, as at S3."""
    spans = [llm_span({"gen_ai.response.id": f"r{n}"}, metadata={"team_alias": "team"}) for n in range(3)]
    exporter = store.exporter(
        use_team_prefix="true", partition_granularity="hour", batch_file_upload=True, log_prompts_only=True
    )
    assert sent(exporter, spans) is SpanExportResult.SUCCESS
    ((key, body),) = store.objects().items()
    assert key.startswith("team/2026-11-21/03/batch_03-09-59_")
    assert [(call["id"], call["response"]) for call in map(json.loads, body.splitlines())] == [
        ("r0", None),
        ("r1", None),
        ("r2", None),
    ]


def test_only_calls_are_written(store: Store) -> None:
    """A web request is no log record."""
    assert sent(store.exporter(), [finished_span("GET /", {})]) is SpanExportResult.SUCCESS
    assert store.objects() == {}


def test_folder_and_headers_at_google(gcs: GCS) -> None:
    """What follows the bucket's name is a folder, and a browser can open what is in it."""
    assert sent(gcs.exporter(bucket_name=f"{BUCKET}/logs/llm/"), [llm_span()]) is SpanExportResult.SUCCESS
    (key,) = gcs.objects()
    assert key == "logs/llm/2026-11-21/time-03-09-59-861563_chatcmpl-1.json"
    metadata = gcs.metadata(key)
    assert metadata["contentType"] == "application/json"
    assert metadata["contentDisposition"] == 'inline; filename="time-2026-11-21T03-09-59-861563_chatcmpl-1.json"'


def test_headers_at_azure(azurite: Azurite) -> None:
    """A block blob with its digest, that a browser can open."""
    assert sent(azurite.exporter(path="/logs/"), [llm_span()]) is SpanExportResult.SUCCESS
    (key,) = azurite.objects()
    assert key == "logs/2026-11-21/time-03-09-59-861563_chatcmpl-1.json"
    blob = azurite.container.get_blob_client(key).get_blob_properties()
    assert (blob.blob_type, blob.content_settings.content_type) == ("BlockBlob", "application/json")
    assert blob.content_settings.content_disposition.endswith('_chatcmpl-1.json"')


# --- Google's credentials --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def google_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_file(google_key: rsa.RSAPrivateKey, sink_server: SinkServer, tmp_path: Path) -> Path:
    """A service account's key, whose tokens come from the test's own server."""
    pem = google_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "logs@project.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem.decode(),
        "token_uri": f"{sink_server.url}/token",
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    return path


def google(request: Received) -> Answer:
    """Gives one token, and takes nothing without it."""
    if request.path == "/token":
        answer = {"access_token": "t1", "expires_in": 3600, "token_type": "Bearer"}
        return Answer(headers={"content-type": "application/json"}, body=json.dumps(answer).encode())
    return Answer(200 if request.headers.get("authorization") == "Bearer t1" else 401)


def test_service_account(sink_server: SinkServer, key_file: Path, google_key: rsa.RSAPrivateKey) -> None:
    """The account asks for one token, signed with its key and good for storage alone, and writes with it."""
    sink_server.rule = google
    exporter = GCSSpanExporter(BUCKET, str(key_file), endpoint=sink_server.url, max_concurrent_uploads=1)
    spans = [llm_span({"gen_ai.response.id": f"r{n}"}) for n in range(3)]
    assert sent(exporter, spans) is SpanExportResult.SUCCESS
    asked, *written = sink_server.requests
    assert [request.path.partition("?")[0] for request in written] == [f"/upload/storage/v1/b/{BUCKET}/o"] * 3
    head, claims, signature = parse_qs(asked.body.decode())["assertion"][0].split(".")
    google_key.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    said = json.loads(decoded(claims))
    assert (said["iss"], said["scope"]) == (
        "logs@project.iam.gserviceaccount.com",
        "https://www.googleapis.com/auth/devstorage.read_write",
    )


@pytest.mark.parametrize("variable", ["GCS_PATH_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"])
def test_google_credentials_of_the_environment(
    sink_server: SinkServer, key_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """With nothing but the usual variables the sink works; default credentials count too."""
    sink_server.rule = google
    monkeypatch.setenv("GCS_BUCKET_NAME", BUCKET)
    monkeypatch.setenv(variable, str(key_file))
    exporter = GCSSpanExporter()
    exporter._target = exporter._target.replace("https://storage.googleapis.com", sink_server.url)
    assert sent(exporter, [llm_span()]) is SpanExportResult.SUCCESS


def test_revoked_service_account(sink_server: SinkServer, key_file: Path) -> None:
    """Google's refusal is one clear reason at once, no endless retry; an outage is retried."""
    refusal = json.dumps({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}).encode()
    sink_server.rule = lambda _: Answer(400, {"content-type": "application/json"}, refusal)
    report = delivered(GCSSpanExporter(BUCKET, str(key_file), endpoint=sink_server.url), 5)
    assert (report.refused, report.retried) == (1, 0)
    assert report.reason == "401 unauthorized: check path_service_account or GCS_PATH_SERVICE_ACCOUNT"
    sink_server.rule = google
    sink_server.script = [Answer(503)]
    report = delivered(GCSSpanExporter(BUCKET, str(key_file), endpoint=sink_server.url), 20)
    assert report.delivered == 1


def test_secrets_stay_out_of_logs(sink_server: SinkServer, key_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No key, token or prompt in a log line, even at debug level."""
    caplog.set_level("DEBUG")
    sink_server.rule = lambda request: google(request) if request.path == "/token" else Answer(400, body=b"canary")
    exporter = GCSSpanExporter(BUCKET, str(key_file), endpoint=sink_server.url)
    assert sent(exporter, [llm_span()]) is SpanExportResult.FAILURE
    azure = AzureBlobSpanExporter(ACCOUNT, CONTAINER, account_key=KEY, endpoint=sink_server.url)
    assert sent(azure, [llm_span()]) is SpanExportResult.FAILURE
    texts = ("canary", "what llm are you", "Bearer", "PRIVATE KEY", KEY, "SharedKey")
    assert caplog.records
    assert [text for text in texts if text in caplog.text] == []


# --- Azure's credentials ---------------------------------------------------------------------------------------------


def test_wrong_account_key(azurite: Azurite) -> None:
    """Nothing is written with another key, and the reason says what to check."""
    wrong = base64.b64encode(b"x" * 64).decode()
    report = delivered(azurite.exporter(account_key=wrong), 0.5)
    assert report.delivered == 0
    assert report.reason.startswith("403 AuthorizationFailure: the account's network rules or key do not allow this")
    assert azurite.objects() == {}


def test_missing_container_is_named(azurite: Azurite) -> None:
    """A container that does not exist is said to be missing."""
    report = delivered(azurite.exporter(file_system="nobody-has-this"), 5)
    assert (report.refused, report.retried) == (1, 0)
    assert report.reason == "404 ContainerNotFound: the container does not exist: check AZURE_STORAGE_FILE_SYSTEM"


def entra(url: str, request: Received) -> Answer:
    """Microsoft's identity service, as far as an application needs it; the secret is ``s1``."""
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    status, said = (
        200,
        {
            "token_endpoint": f"{url}/tenant/oauth2/v2.0/token",
            "authorization_endpoint": f"{url}/tenant/oauth2/v2.0/authorize",
            "issuer": f"{url}/tenant/v2.0",
        },
    )
    if request.method == "POST" and form["client_secret"] == "s1":
        said = {"access_token": token(form["scope"].removesuffix("/.default")), "expires_in": "3600"}
    elif request.method == "POST":
        status, said = 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
    return Answer(status, {"content-type": "application/json"}, json.dumps(said).encode())


def token(audience: str) -> str:
    """A token as azurite wants it: it checks all but the signature."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": "https://sts.windows.net/tenant/",
        "nbf": now - 60,
        "iat": now - 60,
        "exp": now + 3600,
    }
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts] + [""])


def test_entra_application(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenant, client id and secret get a token, and the store takes it; a wrong secret is refused with the reason."""
    if not npm_available():
        pytest.skip("no npm here to install the server with")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(certificate))
    for name in ("TENANT_ID", "CLIENT_ID"):
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", name.partition("_")[0].lower())
    with run_azurite(certificate) as azurite, SinkServer(certificate) as identity:
        identity.rule = partial(entra, identity.url)
        settings = {"account_key": None, "authority": identity.url}
        exporter = azurite.exporter(**settings, client_secret="s1")
        assert sent(exporter, [llm_span()]) is SpanExportResult.SUCCESS
        assert len(azurite.objects()) == 1
        report = delivered(azurite.exporter(**settings, client_secret="wrong"), 5)
        assert (report.refused, report.retried) == (1, 0)
        assert report.reason.startswith("401 unauthorized: check the sink's credentials")


# --- addresses and answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://acct.blob.core.windows.net/logs/"),
        ({"endpoint_suffix": "core.chinacloudapi.cn"}, "https://acct.blob.core.chinacloudapi.cn/logs/"),
        ({"endpoint": "http://127.0.0.1:10000/acct/"}, "http://127.0.0.1:10000/acct/logs/"),
    ],
)
def test_addresses_at_azure(options: dict[str, Any], url: str) -> None:
    """Each cloud has a name of its own."""
    (request,) = AzureBlobSpanExporter("acct", "logs", account_key=KEY, **options).encode([Item(llm_span())])
    assert request.target == f"{url}2026-11-21/time-03-09-59-861563_chatcmpl-1.json"


def azure_answer(status: int, code: str) -> Response:
    return Response(status, {"retry-after": "5"}, f"<Error><Code>{code}</Code>canary</Error>".encode() if code else b"")


def google_answer(status: int, code: str) -> Response:
    return Response(status, {"retry-after": "5"}, json.dumps({"error": {"message": f"canary {code}"}}).encode())


@pytest.mark.parametrize(
    ("make", "verdict", "answers"),
    [
        ("azure", Verdict.DELIVERED, "201, 409 BlobAlreadyExists, 409 BlobImmutableDueToPolicy"),
        ("azure", Verdict.RETRY, "403 AuthorizationPermissionMismatch, 403 AuthenticationFailed, 429"),
        ("azure", Verdict.RETRY, "500 InternalError, 503 ServerBusy, 409 ContainerBeingDeleted"),
        ("azure", Verdict.REFUSED, "404 ContainerNotFound, 403 KeyBasedAuthenticationNotPermitted, 400, 401"),
        ("azure", Verdict.SPLIT, "413 RequestBodyTooLarge"),
        ("gcs", Verdict.DELIVERED, "200, 412"),
        ("gcs", Verdict.RETRY, "403, 408, 429, 500, 502, 503"),
        ("gcs", Verdict.REFUSED, "400, 401, 404"),
        ("gcs", Verdict.SPLIT, "413"),
    ],
)
def test_answers(make: str, verdict: Verdict, answers: str) -> None:
    """What recovers is retried, after the time that the store asks for; what cannot is refused."""
    exporter: ObjectStoreExporter = (
        AzureBlobSpanExporter("acct", "logs", account_key=KEY)
        if make == "azure"
        else GCSSpanExporter(BUCKET, endpoint="http://127.0.0.1")
    )
    respond = azure_answer if make == "azure" else google_answer
    for answer in answers.split(", "):
        status, _, code = answer.partition(" ")
        outcome = exporter.classify(respond(int(status), code))
        assert outcome.verdict is verdict, answer
        assert outcome.retry_after_s == (5 if verdict is Verdict.RETRY else None)
        assert outcome.reason.startswith(answer) or verdict is Verdict.DELIVERED
        assert "canary" not in outcome.reason


def test_a_wrong_azure_key_is_not_retried() -> None:
    """Azure gives a wrong key and a wrong clock one code, and tells them apart in its words."""
    exporter = AzureBlobSpanExporter("acct", "logs", account_key=KEY)
    detail = "<AuthenticationErrorDetail>The MAC signature found in the HTTP request is not the same as any computed"
    body = f"<Error><Code>AuthenticationFailed</Code>{detail}</AuthenticationErrorDetail></Error>".encode()
    outcome = exporter.classify(Response(403, {}, body))
    assert outcome.verdict is Verdict.REFUSED
    assert "check AZURE_STORAGE_ACCOUNT_KEY" in outcome.reason


GOOGLE: dict[str, Any] = {"bucket_name": BUCKET}
AZURE: dict[str, Any] = {"account_name": "a", "file_system": "f", "account_key": KEY}


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (GCSSpanExporter, {}, "bucket_name is missing; set the environment variable GCS_BUCKET_NAME"),
        (GCSSpanExporter, {**GOOGLE, "path_service_account": "/no/key.json"}, "cannot use /no/key.json: FileNotFound"),
        (
            GCSSpanExporter,
            {**GOOGLE, "endpoint": "http://"},
            "endpoint: 'http://' is not a URL; expected http://host:port",
        ),
        (GCSSpanExporter, {**GOOGLE, "batch_sise": 3}, "gcs_bucket: batch_sise: unknown option; expected one of"),
        (GCSSpanExporter, {**GOOGLE, "batch_size": "x"}, "GCS_BATCH_SIZE: 'x' is not a number at least 1"),
        (AzureBlobSpanExporter, {}, "account_name is missing; set the environment variable AZURE_STORAGE_ACCOUNT_NAME"),
        (AzureBlobSpanExporter, {"account_name": "a"}, "file_system is missing; set .* AZURE_STORAGE_FILE_SYSTEM"),
        (AzureBlobSpanExporter, {**AZURE, "account_key": "no base64"}, "account_key .* is not base64"),
        (AzureBlobSpanExporter, {**AZURE, "endpoint": "x"}, "endpoint: 'x' is not a URL; expected http"),
        (AzureBlobSpanExporter, {**AZURE, "partition_granularity": "week"}, "is 'week'; expected 'day' or 'hour'"),
        (
            AzureBlobSpanExporter,
            {**AZURE, "account_key": None, "tenant_id": "t"},
            "client_id is missing; set the environment variable AZURE_STORAGE_CLIENT_ID, or pass client_id=",
        ),
    ],
)
def test_wrong_option_is_one_clear_error(make: Callable[..., Any], options: dict[str, Any], said: str) -> None:
    """The error names the option and what was expected."""
    with pytest.raises(ValueError, match=said):
        make(**options)


@pytest.mark.parametrize(
    ("make", "options", "extra"),
    [(GCSSpanExporter, GOOGLE, "gcs"), (AzureBlobSpanExporter, {**AZURE, "account_key": None}, "azure")],
)
def test_missing_extra(
    make: Callable[..., Any], options: dict[str, Any], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to install."""
    monkeypatch.setattr("callspan_exporters.extras.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"pip install 'callspan\[{extra}\]'"):
        make(**options)


def test_a_forked_child_is_not_locked_out() -> None:
    """A worker that was forked while a thread of its parent was fetching a token can fetch its own."""
    script = """
import os, sys
from callspan_exporters.process_lock import ProcessLock
lock = ProcessLock()
with lock:
    child = os.fork()
    if child == 0:
        with lock:
            os._exit(0)
    sys.exit(os.waitpid(child, 0)[1])
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=10)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
