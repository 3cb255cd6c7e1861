"""The user's own code as a sink: LiteLLM's `CustomLogger` classes and callback functions.

A callback is fed like every sink: by a pipeline that redacts, queues and delivers. Its hooks get arguments that are
rebuilt from the redacted span (`arguments`), of its own, so that neither the application nor another callback sees what
it changes.
"""
