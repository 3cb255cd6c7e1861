"""The Messages API of Anthropic, which Bedrock, Vertex AI, Foundry and several gateways serve as well."""
