"""Setting up: settings from code, environment and file; sinks; pipelines; the SDK in zero-code runs."""
