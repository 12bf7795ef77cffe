"""openpi's protocol, from both sides.

wire            ndarrays as msgpack
connection      a client's websocket
observations    a dataset's columns under openpi's keys
server          `mstool serve`
"""
