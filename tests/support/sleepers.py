"""`python sleepers.py FOLDER`: start a worker of each kind that sleeps for an hour; each leaves its pid in FOLDER."""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from mstool.processes import start_worker
from mstool.training.frame_cache import prepare_decoder


def sleep(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(3600)


def sleep_hired(pipe: object, folder: str) -> None:
    del pipe
    sleep(folder)


if __name__ == "__main__":
    hired = start_worker(sleep_hired, sys.argv[1])
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare_decoder)
    pool.submit(sleep, sys.argv[1]).result()
