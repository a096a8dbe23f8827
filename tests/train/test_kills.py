"""A training that is killed goes on as if nothing had happened: real SIGKILLs, at random and at every system call."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
PROGRAM = Path(__file__).with_name("endless.py")


def killing(kind, kills):
    # In memory where there is such a place: a process is killed here, not the machine, and thousands of fsyncs wait
    # for a busy disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        return run(folder, kind, kills)


def run(folder, kind, kills):
    done = subprocess.run(
        [sys.executable, PROGRAM, folder, kind, str(kills)],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_fifty_kills_at_random_moments_and_every_run_ends_bit_for_bit_as_the_one_that_was_left_alone():
    found = killing("random", 50)
    assert found["kills"] >= 50 and found["ends"] >= 2


def test_a_kill_at_each_system_call_of_a_saving():
    found = killing("calls", 50)
    assert found["kills"] >= 50
    assert found["half_written"] >= 20, "most of these moments are in the middle of a saving"
