"""The one error a user can mend."""


class UserError(Exception):
    """Something the user can put right; the message says what, where, and what is allowed.

    The command line prints it as one line and leaves with exit code 2, without a traceback.
    """
