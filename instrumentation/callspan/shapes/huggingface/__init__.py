"""Text Generation Inference, the server behind Hugging Face's models."""
