"""What can go wrong. Each text says what to do about it."""


class PushnoteError(Exception):
    """Every error of this package but those of wrong arguments, which are ``TypeError`` and ``ValueError``."""


class NotConfigured(PushnoteError):
    """A setting is missing, or says something that cannot be."""


class QueueFull(PushnoteError):
    """So much waits to be sent that this message was not taken. Nobody is there to take it: look at the address."""


class NotSent(PushnoteError):
    """Within the time that was given, not everything was sent. It still waits, unless the program ends."""


class Unavailable(PushnoteError):
    """Nobody answered in time, or who answered cannot take messages now. Nothing is wrong with this one; it may be sent again."""


class Refused(PushnoteError):
    """The other side says what is wrong with this message, or with the key."""
