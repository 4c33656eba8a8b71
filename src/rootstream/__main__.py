"""Entry point: the one place where errors become exit codes."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence

EXIT_USER = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
# Imports make objects that live until the end:
# by default, 15% of a short command's time is spent looking through them.
GARBAGE_THRESHOLD = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 well, 1 a check failed, 2 the user must act."""
    gc.set_threshold(GARBAGE_THRESHOLD, *gc.get_threshold()[1:])
    # Pydantic would look through all installed packages for plugins, and let them see what is validated.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Nothing is begun yet: Ctrl-C ends the process as it ends any, not with a traceback of the import that it met.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    import click  # noqa: PLC0415  (errors of the import itself should show, too)

    from rootstream.cli.main import cli  # noqa: PLC0415
    from rootstream.errors import Interrupted, Problems, UserError  # noqa: PLC0415
    from rootstream.host.disk_space import disk_full  # noqa: PLC0415

    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Being told to end is no different from Ctrl-C: what runs is stopped, what is done is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not below nohup(1)
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        status = cli.main(
            args=list(argv) if argv is not None else None, prog_name="rootstream", standalone_mode=False
        )
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _say("stopped", EXIT_INTERRUPTED)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(file=said)
        return _say(said.getvalue().rstrip("\n"), EXIT_USER)
    except UserError as error:
        text = f"{error}\n{error.message}" if isinstance(error, Problems) else f"error: {error}"
        return _say(text, EXIT_INTERRUPTED if isinstance(error, Interrupted) else EXIT_USER)
    except BrokenPipeError:
        # The reader of our output has gone: nothing more can be said, not even by the interpreter's own flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except OSError as error:
        full = disk_full(error)
        if full is None:
            raise
        return _say(f"error: {full}", EXIT_USER)
    return status if isinstance(status, int) else 0


def _say(text: str, status: int) -> int:
    from rootstream.host.escape import escaped  # noqa: PLC0415

    sys.stderr.write(escaped(text) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
