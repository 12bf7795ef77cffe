"""LeRobot's asynchronous policy server for every policy that `mstool finetune` trains.

LeRobot's own `python -m lerobot.async_inference.policy_server` imports no plugins and answers for a fixed list of
policies (lerobot 0.6.1). This is that server, with the same options, which knows `flow` too:

    python -m lerobot_env_maniskill.policy_server --host=127.0.0.1 --port=8080

It needs LeRobot's extra `async`.
"""

import sys

try:
    from lerobot.async_inference.constants import SUPPORTED_POLICIES
    from lerobot.async_inference.policy_server import serve
except ImportError as error:  # LeRobot says what to install
    sys.exit(f"error: {error}")

from mstool.training.flow import FlowConfig

if __name__ == "__main__":
    SUPPORTED_POLICIES.append(FlowConfig.get_choice_name(FlowConfig))
    serve()
