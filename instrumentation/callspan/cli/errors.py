"""What a command cannot do, said in one line."""


class CommandError(Exception):
    """A command cannot do what was asked; the text is for the user and names what to change."""
