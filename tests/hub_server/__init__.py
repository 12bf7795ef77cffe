"""A hub on loopback: stores real files on disk and speaks what huggingface_hub and LeRobot ask of a dataset repo."""

from hub_server.faults import Fault
from hub_server.server import HubServer
from hub_server.store import Store

__all__ = ["Fault", "HubServer", "Store"]
