"""`python -m hub_server FOLDER`: serve until stdin closes; the first line of stdout is the address."""

import sys
from pathlib import Path

from hub_server.server import HubServer

with HubServer(Path(sys.argv[1])) as hub:
    sys.stdout.write(hub.endpoint + "\n")
    sys.stdout.flush()
    sys.stdin.read()
