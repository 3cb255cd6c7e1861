"""A local DynamoDB (dynalite, from npm) that keeps to its limits; it does not check who writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from callspan_exporters.dynamodb import DynamodbSpanExporter
from tests.servers.cache import npm
from tests.servers.moto import client
from tests.servers.ports import free_port
from tests.servers.process import running

VERSION = "4.0.0"
TABLE = "calls"


@dataclass(frozen=True)
class Dynalite:
    """A running server with one table."""

    url: str
    client: Any

    def exporter(self, **options: Any) -> DynamodbSpanExporter:
        defaults = {
            "dynamodb_table_name": TABLE,
            "region_name": "us-east-1",
            "endpoint_url": self.url,
            "aws_access_key_id": "id",
            "aws_secret_access_key": "key",
        }
        return DynamodbSpanExporter(**{**defaults, **options})

    def items(self) -> list[dict[str, dict[str, Any]]]:
        """What was written, by id."""
        found: list[dict[str, dict[str, Any]]] = self.client.scan(TableName=TABLE)["Items"]
        return sorted(found, key=lambda item: item["id"]["S"])

    def clear(self) -> None:
        """Delete everything."""
        for item in self.items():
            self.client.delete_item(TableName=TABLE, Key={"id": item["id"]})


@contextmanager
def run_dynalite() -> Iterator[Dynalite]:
    """Run the server for the length of the ``with`` block."""
    port = free_port()
    command = ["node", str(npm("dynalite", VERSION) / "cli.js"), "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running([*command, "--createTableMs", "0"], url):
        database = client("dynamodb", url, "id", "key")
        create_table(database)
        database.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
        yield Dynalite(url, database)


def create_table(database: Any) -> None:
    """The table that the sink needs."""
    database.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
