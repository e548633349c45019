import os
import subprocess
import sys

from flows.noise import without_noise

SPOKEN = (
    "I0000 00:00:17 port.cc:153] oneDNN is on\nerror: a patient is in two splits\nWARNING: a real one\n"
    "WARNING:tensorflow:5 out of the last 8 calls to <function predict> triggered tf.function retracing. Dear.\n"
)


def test_notices_vanish_and_everything_else_is_passed_on(capfd):
    with without_noise():
        subprocess.run([sys.executable, "-c", f"import sys; sys.stderr.write({SPOKEN!r})"], check=True)
        os.write(2, b"from this process\n")
    assert capfd.readouterr().err == "error: a patient is in two splits\nWARNING: a real one\nfrom this process\n"


def test_afterwards_the_stream_is_as_it_was(capfd):
    with without_noise():
        pass
    os.write(2, b"I0000 a notice\n")
    assert capfd.readouterr().err == "I0000 a notice\n"
