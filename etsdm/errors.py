"""Ways in which a command ends early."""


class UserError(Exception):
    """Something the user can put right; the message says what, where, and what is allowed.

    The command line prints it as one line and leaves with exit code 2, without a traceback.
    """


class Interrupted(Exception):
    """The system asked the command to stop; its state is saved and the same command goes on.

    The command line prints it as one line and leaves with exit code 75 (EX_TEMPFAIL).
    """


class AlreadyMade(Exception):
    """The result is there: another process has made it while this one waited, or it was kept.

    The command line prints it as one line and leaves with exit code 0.
    """
