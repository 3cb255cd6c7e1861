"""Amazon DynamoDB: one item per call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from callspan_exporters.addresses import parse_url
from callspan_exporters.aws import AWSIdentity, AWSSigner
from callspan_exporters.delivery.classify import classify_http, coded_reason, error_words, retry_after_s
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.dynamodb_item import call_item, item_id
from callspan_exporters.environment import first_variable, number, required
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter, Verdict
from callspan_semconv import jsonio

_HEADERS: Final = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.BatchWriteItem"}
_MAX_PUTS: Final = 25  # Amazon DynamoDB, "BatchWriteItem"
_MAX_ANSWER_BYTES: Final = 17_000_000  # what was not written comes back whole
_REGIONS: Final = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
# DynamoDB says 400 for whatever is not its own fault; see "Error handling with DynamoDB" and AWS's "Common errors".
_STATUS: Final = {
    "UnrecognizedClientException": 401,
    "InvalidSignatureException": 401,
    "IncompleteSignatureException": 401,
    "MissingAuthenticationTokenException": 401,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ExpiredTokenException": 408,  # temporary credentials are renewed
    "ItemCollectionSizeLimitExceededException": 429,
    "ProvisionedThroughputExceededException": 429,
    "RequestLimitExceeded": 429,
    "ThrottlingException": 429,
}
_ADVICE: Final = {
    **dict.fromkeys(_STATUS, ""),
    "UnrecognizedClientException": "the access key id does not exist: check aws_access_key_id or AWS_ACCESS_KEY_ID",
    "InvalidSignatureException": "check aws_secret_access_key or AWS_SECRET_ACCESS_KEY, and this machine's clock",
    "AccessDeniedException": "the credentials may not write here: dynamodb:BatchWriteItem is needed",
    "ResourceNotFoundException": "the table does not exist in this region: check dynamodb_table_name",
}


class DynamodbSpanExporter(SinkExporter):
    """Every LLM call, success or failure, as one item in a table whose partition key is ``id`` (a string).

    The item has LiteLLM's attributes and more, see docs/sinks/dynamodb.md. The same call always has the same key, so
    writing it again changes nothing.

    Args:
        dynamodb_table_name: the table, which must exist; default ``DYNAMODB_TABLE_NAME``.
        region_name: default ``AWS_REGION_NAME``, ``AWS_REGION``, ``AWS_DEFAULT_REGION``.
        endpoint_url: another service than AWS; default ``AWS_ENDPOINT_URL_DYNAMODB``, ``AWS_ENDPOINT_URL``.
        aws_access_key_id: with ``aws_secret_access_key``, and ``aws_session_token`` for temporary keys; default:
            botocore's own chain.
        aws_profile_name: a profile of the shared files.
        aws_role_name: the ARN of a role to assume.
        value_format: ``json``, or ``python_repr`` for what LiteLLM wrote: Python's ``str(value)``.
        batch_size: calls per flush; a request holds 25.
        flush_interval: seconds after which fewer are written.
        name, export_timeout_s, request_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: table or region is missing, or a setting is malformed; names the variable and the argument.
        ImportError: botocore is not installed; says what to install.
    """

    sink = "dynamodb"
    concurrency = 4

    def __init__(
        self,
        dynamodb_table_name: str | None = None,
        region_name: str | None = None,
        *,
        endpoint_url: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        aws_profile_name: str | None = None,
        aws_role_name: str | None = None,
        value_format: Literal["json", "python_repr"] = "json",
        batch_size: int = 100,
        flush_interval: float = 5.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        super().__init__(
            name=name,
            batching=Batching(
                max_items=int(number(batch_size, 100, "batch_size", least=1)),
                interval_s=number(flush_interval, 5.0, "flush_interval", least=0),
            ),
            export_timeout_s=export_timeout_s,
            request_timeout_s=request_timeout_s,
        )
        self._table = required(
            dynamodb_table_name, "DYNAMODB_TABLE_NAME", sink=self.sink, keyword="dynamodb_table_name"
        )
        region = required(region_name, *_REGIONS, sink=self.sink, keyword="region_name")
        self._endpoint = _endpoint(endpoint_url, region)
        self._rendered = _renderer(value_format)
        identity = AWSIdentity(
            access_key_id=aws_access_key_id,
            secret_access_key=aws_secret_access_key,
            session_token=aws_session_token,
            profile_name=aws_profile_name,
            role_name=aws_role_name,
        )
        self._signer = AWSSigner(identity, region, service="dynamodb", extra=self.sink)
        self._transport = HTTPTransport(max_connections=self.concurrency, max_response_bytes=_MAX_ANSWER_BYTES)

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """One ``BatchWriteItem`` per 25 calls; two calls of one id are in two, as DynamoDB refuses them in one."""
        group: dict[str, Item] = {}
        for item in items:
            if item.payload is None:
                continue
            key = item_id(item.payload)
            if key in group or len(group) == _MAX_PUTS:
                yield self._request(list(group.values()))
                group = {}
            group[key] = item
        if group:
            yield self._request(list(group.values()))

    def send(self, request: Request, timeout_s: float) -> Response:
        """Sign and write."""
        return _in_http_terms(self._transport.send(self._signer.sign(request), timeout_s), request)

    def classify(self, response: Response) -> Outcome:
        """Apply DynamoDB's error codes, then the common table; what it had no capacity for is sent again."""
        said = response.parsed()
        if 200 <= response.status < 300:
            left = frozenset(said.get("unprocessed") or ())
            return Outcome(Verdict.DELIVERED, "throttled" if left else "", unprocessed=left)
        outcome = classify_http(response)
        if response.status == 403:
            outcome = Outcome(Verdict.RETRY, retry_after_s=retry_after_s(response.headers))
        code = _code(said)
        if code == "ValidationException":
            return replace(outcome, reason=f"{response.status} {code} ({error_words(str(said.get('message')))})")
        return replace(outcome, reason=coded_reason(response.status, code, _ADVICE)) if code else outcome

    def shutdown(self) -> None:
        """Close connections."""
        self._transport.close()

    def _request(self, items: Sequence[Item]) -> Request:
        puts = [
            b'{"PutRequest":{"Item":' + call_item(item.payload, self._rendered) + b"}}"
            for item in items
            if item.payload
        ]
        table = jsonio.dump_bytes(self._table)
        body = b'{"RequestItems":{' + table + b":[" + b",".join(puts) + b"]}}"
        return Request(items=items, body=body, target=self._endpoint, headers=_HEADERS)


def _in_http_terms(response: Response, request: Request) -> Response:
    """Give errors the status that they have elsewhere, and say by position which calls were not written."""
    said = response.parsed()
    if 400 <= response.status < 500:
        return replace(response, status=_STATUS.get(_code(said), response.status))
    unwritten = said.get("UnprocessedItems")
    if not isinstance(unwritten, dict) or not unwritten:
        return response
    ids = {put["PutRequest"]["Item"]["id"]["S"] for puts in unwritten.values() for put in puts}
    left = [index for index, item in enumerate(request.items) if item.payload and item_id(item.payload) in ids]
    return replace(response, body=jsonio.dump_bytes({"unprocessed": left}))


def _code(said: Mapping[str, Any]) -> str:
    """``com.amazon.coral.service#ThrottlingException`` and the like."""
    return str(said.get("__type", "")).rpartition("#")[2]


def _endpoint(given: str | None, region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    source, elsewhere = ("endpoint_url", given) if given else first_variable(*_ENDPOINTS) or ("", "")
    if not elsewhere:
        return f"https://dynamodb.{region}.{suffix}/"
    return parse_url(elsewhere, f"dynamodb: {source}").geturl().rstrip("/") + "/"


def _renderer(value_format: str) -> Callable[[Any], str]:
    if value_format == "json":
        return jsonio.dumps
    if value_format == "python_repr":
        return str
    message = f"dynamodb: value_format is {value_format!r}; expected 'json' or 'python_repr'"
    raise ValueError(message)
