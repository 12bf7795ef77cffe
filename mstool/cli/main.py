"""`mstool`: the process, which hears Ctrl-C from its first moment on."""

import signal


def main() -> None:
    """Run the command line: exit code 0 fine, 1 the data or the work failed, 2 usage.

    Ctrl-C waits while the commands are imported: `run` answers it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    from mstool.cli.app import run

    run()


if __name__ == "__main__":
    main()
