"""Amazon Bedrock's runtime through botocore, and so through boto3."""

from __future__ import annotations

from callspan.shapes.bedrock.api import client

CLIENT = client("botocore", "", is_async=False)
