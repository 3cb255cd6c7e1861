"""Keys and teams without a database: who knows the key is a member of a team."""

import os

from litellm.proxy._types import UserAPIKeyAuth


async def user_api_key_auth(request, api_key):
    if api_key != os.environ["TEAM_KEY"]:
        return UserAPIKeyAuth(api_key=api_key or None)
    return UserAPIKeyAuth(
        api_key=api_key,
        key_alias="prod-app1",
        user_id="user_123",
        user_email="user@example.com",
        team_id="team-7",
        team_alias="team_alpha",
        metadata={"allow_client_message_redaction_opt_out": True},
    )
