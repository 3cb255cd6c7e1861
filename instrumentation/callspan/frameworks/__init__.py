"""One module per framework: how its own hooks tell of agents, workflows and tools, the places of the model calls."""
