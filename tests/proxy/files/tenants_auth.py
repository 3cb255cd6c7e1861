"""Keys as the proxy's database would have them, by name."""

from litellm.proxy._types import UserAPIKeyAuth

LANGFUSE = {"callback_name": "langfuse", "callback_type": "success"}
KEYS = {
    "sk-of-key": {
        "metadata": {
            "logging": [
                {**LANGFUSE, "callback_vars": {"langfuse_public_key": "pk-of-key", "langfuse_secret_key": "sk-1"}}
            ]
        },
        "team_id": "of-file",
    },
    "sk-of-team": {
        "team_id": "of-database",
        "team_metadata": {
            "logging": [
                {**LANGFUSE, "callback_vars": {"langfuse_public_key": "pk-of-team", "langfuse_secret_key": "sk-2"}}
            ]
        },
    },
    "sk-of-file": {"team_id": "of-file"},
    "sk-empty": {"metadata": {"logging": []}, "team_id": "of-file"},
    "sk-disables": {"metadata": {"litellm_disabled_callbacks": ["langfuse"]}},
    "sk-none": {},
}


async def user_api_key_auth(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, **KEYS[api_key])
