"""Base of what the vault refuses, in one sentence for the player."""


class VaultError(Exception):
    """The text says what could not be done, with what, and what to do."""


class NotFound(VaultError):
    """There is no such asset, checkpoint, stronghold or zone, or several that could be meant."""


class Refused(VaultError):
    """It may not be done: something would be lost, or rules forbid it."""


class Unreachable(VaultError):
    """A zone or stronghold does not answer, or not as it must; nothing is known of what lies there."""


class Damaged(VaultError):
    """Bytes are not what their digests say; the text names the file."""
