"""What a measurement can fail with."""


class Unmeasurable(Exception):
    """A server cannot do what a line measures; the message goes into the table."""
