"""The call core: what every client module stands on."""
