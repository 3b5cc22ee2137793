"""What portage raises."""


class InvalidAtom(ValueError):  # noqa: N818  # as portage has it
    """The text names no package."""
