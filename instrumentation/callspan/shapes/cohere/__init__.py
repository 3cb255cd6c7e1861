"""The APIs of Cohere, versions 1 and 2."""
