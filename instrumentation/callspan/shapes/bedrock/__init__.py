"""Amazon Bedrock's runtime API: Converse, and InvokeModel with the bodies of each family of models."""
