"""LiteLLM's own settings are left alone; misspelt settings about logging are not."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from callspan.setup.settings import FIELDS, load

# What LiteLLM's page "All settings" lists for litellm_settings, and other names of its pages.
DOCUMENTED = """
    success_callback failure_callback callbacks service_callbacks service_callback turn_off_message_logging
    modify_params
    enable_preview_features LITELLM_DISABLE_STOP_SEQUENCE_LIMIT redact_user_api_key_info mcp_aliases
    langfuse_default_tags set_verbose json_logs default_fallbacks request_timeout force_ipv4 content_policy_fallbacks
    context_window_fallbacks cache cache_params disable_end_user_cost_tracking
    disable_end_user_cost_tracking_prometheus_only key_generation_settings disable_add_transform_inline_image_block
    use_chat_completions_url_for_anthropic_messages disable_hf_tokenizer_download enable_json_schema_validation
    enable_key_alias_format_validation disable_copilot_system_to_assistant fallbacks max_fallbacks num_retries
    drop_params telemetry ssl_verify allowed_fails cooldown_time max_budget budget_duration store_audit_logs
    audit_log_callbacks s3_audit_callback_params aws_sqs_callback_params s3_callback_params dynamodb_table_name
    default_team_settings default_team_params default_internal_user_params upperbound_key_generate_params
    forward_traceparent_to_llm_provider input_callback post_call_rules guardrails prometheus_metrics_config
    custom_prometheus_metadata_labels datadog_params datadog_llm_observability_params log_raw_request_response
    standard_logging_payload_excluded_fields global_disable_no_log_param langsmith_batch_size argilla_batch_size
    public_model_groups priority_reservation tag_budget_config ui_theme_config callback_settings
    allow_dynamic_callback_disabling max_internal_user_budget internal_user_budget_duration
    default_max_internal_user_budget
"""
SECTIONS = """
    model_list litellm_settings general_settings router_settings callback_settings environment_variables include
    guardrails mcp_servers vector_store_registry search_tools credential_list files_settings finetune_settings
    assistant_settings prompts policies agent_list
"""


def of_the_installed_library() -> Iterator[str]:
    """The public globals of litellm, each of which its proxy sets by ``litellm_settings``; none where it is absent."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (each.id for each in targets if isinstance(each, ast.Name) and not each.id.startswith("_"))


@pytest.mark.parametrize("section", ["litellm_settings", "general_settings"])
def test_no_name_of_litellms_counts_as_misspelt(section: str, tmp_path: Path) -> None:
    """Whatever LiteLLM knows passes without a word."""
    path = tmp_path / "config.yaml"
    lines = [f"  {name}:" for name in sorted({*DOCUMENTED.split(), *of_the_installed_library()})]
    path.write_text("\n".join([f"{section}:", *lines]))
    assert load(config_file=str(path)).problems == ()


def test_no_section_of_litellms_counts_as_misspelt(tmp_path: Path) -> None:
    """Sections that are not about logging are nobody's concern here."""
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(f"{name}:" for name in SECTIONS.split()))
    assert load(config_file=str(path)).problems == ()


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - {"db"}))  # two letters are like nothing
def test_a_letter_less_is_noticed(name: str, tmp_path: Path) -> None:
    """Of every setting: what a missing letter would silently turn off is one error with the right name."""
    path = tmp_path / "config.yaml"
    path.write_text(f"litellm_settings: {{{name[:-2]}{name[-1]}: true}}")
    (problem,) = load(config_file=str(path)).problems
    assert f"did you mean {name}?" in str(problem)
