"""Why something did not come in or did not go out. Messages say what was expected, what came, where, and what to do."""

import errno


def is_full(problem: OSError) -> bool:
    """Whether a write failed because the disk, a quota or a limit on the file's size left no room for it."""
    return problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CityperfError(Exception):
    """Base of the errors that a person can act on: shown as a message, without a traceback."""


class SourceUnavailable(CityperfError):
    """The source could not be reached or broke off; it may work later. Recorded as late, retried by the schedule."""


class SourceRefused(CityperfError):
    """The source answered with something that breaks its contract; it will until somebody mends it."""


class FileQuarantined(SourceRefused):
    """A landed file is held in quarantine; nothing of it was loaded and what was loaded before stays."""


class GateClosed(CityperfError):
    """A blocking check failed: the last good release stays up, marked stale with the reason."""


class NightFailed(CityperfError):
    """The night ended with something broken; nothing that readers see was touched."""
