"""A command at a terminal, where somebody types what it asks for and does not show: `COMMAND ANSWER...`."""

import os
import pty
import sys
import termios


def main(command: str, answers: list[str]) -> int:
    """Its exit status; what it writes goes to standard output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "--norc", "-c", command])
    asked = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # Linux's word for the other side being closed
            some = b""
        if not some:
            break
        asked += some
        sys.stdout.buffer.write(some.replace(b"\r\n", b"\n"))
        # Without the echo it waits for a secret: whoever typed before would see it on the screen.
        if asked.endswith(b": ") and answers and not termios.tcgetattr(terminal)[3] & termios.ECHO:
            os.write(terminal, f"{answers.pop(0)}\n".encode())
            asked = b""
    sys.stdout.flush()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
