"""One module per client library: what to wrap, and how to read it."""
