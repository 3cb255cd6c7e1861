"""``callspan demo``: a local server, an app that knows nothing of callspan, and the calls that were recorded."""
