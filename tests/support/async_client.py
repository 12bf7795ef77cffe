"""A client of LeRobot's asynchronous policy server: one observation of zeros, one chunk of actions."""

import pickle
import time

import grpc
import numpy as np
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedObservation
from lerobot.transport import services_pb2, services_pb2_grpc
from lerobot.transport.utils import grpc_channel_options, send_bytes_in_chunks


def ask(address, policy_type, model, features, *, actions=3):
    """Return the chunk (H, D) that the server at `address` answers with.

    `features` are a dataset's; the robot of LeRobot's client has a number of its own per motor.
    """
    seen = {name: feature for name, feature in features.items() if name.startswith("observation.")}
    robot = {"task": "pick up the cube"}
    for name, feature in seen.items():
        if feature["dtype"] in {"image", "video"}:
            robot[name.removeprefix("observation.images.")] = np.zeros(feature["shape"], np.uint8)
        else:
            robot |= dict.fromkeys(feature["names"], 0.0)
    with grpc.insecure_channel(address, grpc_channel_options()) as channel:
        grpc.channel_ready_future(channel).result(timeout=120)
        server = services_pb2_grpc.AsyncInferenceStub(channel)
        server.Ready(services_pb2.Empty())
        wish = RemotePolicyConfig(policy_type, str(model), seen, actions)
        server.SendPolicyInstructions(services_pb2.PolicySetup(data=pickle.dumps(wish)))
        observation = TimedObservation(time.time(), 0, robot, must_go=True)
        server.SendObservations(send_bytes_in_chunks(pickle.dumps(observation), services_pb2.Observation))
        answer = server.GetActions(services_pb2.Empty())
    assert answer.data, "the server failed at the observation"
    return np.stack([each.get_action().numpy() for each in pickle.loads(answer.data)])
