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
    """Another process has made the result while this one waited for it.

    The command line prints it as one line and leaves with exit code 0.
    """
