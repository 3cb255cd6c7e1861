"""Amazon Bedrock's runtime through aiobotocore, and so through aioboto3."""

from __future__ import annotations

from callspan.shapes.bedrock.api import client

CLIENT = client("aiobotocore", "Aio", is_async=True)
