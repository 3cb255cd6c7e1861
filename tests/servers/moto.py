"""A local S3 (moto) that checks who writes."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from botocore.session import Session

from callspan_exporters.s3 import S3SpanExporter
from tests.servers.ports import free_port

BUCKET = "logs-bucket-litellm"


@dataclass(frozen=True)
class Moto:
    """A running S3 (moto) that checks signatures, its one user, and a client that reads what was written."""

    url: str
    access_key_id: str
    secret_access_key: str
    client: Any

    def exporter(self, **options: Any) -> S3SpanExporter:
        defaults = {
            "s3_bucket_name": BUCKET,
            "s3_region_name": "us-east-1",
            "s3_endpoint_url": self.url,
            "s3_aws_access_key_id": self.access_key_id,
            "s3_aws_secret_access_key": self.secret_access_key,
        }
        return S3SpanExporter(**{**defaults, **options})

    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            entry["Key"]: self.client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed
        }

    def clear(self) -> None:
        for key in self.objects():
            self.client.delete_object(Bucket=BUCKET, Key=key)


@contextmanager
def run_moto() -> Iterator[Moto]:
    """Run the server for the length of the ``with`` block."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    # The four calls below come before there are credentials; from then on every request is checked.
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "4"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(f"{url}/moto-api/", process)
        yield _set_up(url)
    finally:
        process.terminate()
        process.wait()


def policy(statement: dict[str, Any]) -> str:
    """An IAM policy that allows one thing."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def client(service: str, url: str, key_id: str, secret: str) -> Any:
    """A client of one of the server's services."""
    return Session().create_client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key_id, aws_secret_access_key=secret
    )


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.05)
    raise RuntimeError("moto did not start")


def _set_up(url: str) -> Moto:
    iam = client("iam", url, "none", "none")
    iam.create_user(UserName="writer")
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    iam.put_user_policy(UserName="writer", PolicyName="all", PolicyDocument=policy({"Action": "*", "Resource": "*"}))
    iam.get_user(UserName="writer")
    s3 = client("s3", url, key["AccessKeyId"], key["SecretAccessKey"])
    s3.create_bucket(Bucket=BUCKET)
    return Moto(url, key["AccessKeyId"], key["SecretAccessKey"], s3)
