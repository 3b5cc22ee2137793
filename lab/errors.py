"""What the lab tells its user when it cannot go on."""


class LabError(Exception):
    """One line for the user: what is wrong, then what to do about it."""
