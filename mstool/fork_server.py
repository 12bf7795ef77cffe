"""Imported first by the process that workers are forked from (`mstool.processes`), and by no other.

What follows are the imports of the workers; without the collector's looking through them they take a fifth less time.
"""

import atexit
import gc
import os

# What workers compare theirs with: it is as the parent's was when this process began.
ENVIRONMENT = dict(os.environ)
PID = os.getpid()

# As every worker has it, before a library starts threads for all cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
gc.disable()
# Its workers end with it: taking apart all that was imported would keep them alive for seconds.
atexit.register(os._exit, 0)
