"""How Snakemake speaks when it is called with `--logger etsdm`: the terminal of etsdm/terminal."""

import sys
import time
from logging import Handler, LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase

from etsdm.terminal.teller import Teller


class LogHandler(LogHandlerBase):
    """Snakemake's handler of records; a dry run is left to Snakemake's own."""

    writes_to_file = False
    has_filter = False
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        Handler.__init__(self)  # which the interface before 2.0 leaves out
        settings = self.common_settings
        self._teller = None if settings.dryrun else Teller(sys.stderr, settings.show_failed_logs)

    @property
    def writes_to_stream(self) -> bool:
        """Whether Snakemake must not write to the terminal itself."""
        return self._teller is not None

    def emit(self, record: LogRecord) -> None:
        """Take a record. An error here ends nothing: without this thread nothing more would be said."""
        try:
            if self._teller:
                self._teller.take(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say what the run took, and leave the terminal clean."""
        if self._teller:
            self._teller.close(time.time())
        super().close()
