# mstool in a container, on the processor or, by the same image, on an NVIDIA GPU through the host's driver:
#
#   docker build -t mstool .
#   docker run --rm -v "$PWD":/data mstool convert --env PickCube-v1 --demos generate
#   docker run --rm --gpus all -v "$PWD":/data mstool finetune data/PickCube-v1
#
# Behind a mirror: --build-arg PIP_INDEX_URL=... --build-arg UV_DEFAULT_INDEX=...
# `benchmarks/install.py --ways docker` takes these steps in an empty environment, without a container engine.
FROM python:3.12-slim-trixie

# Mesa's lavapipe renders where there is no GPU. NVIDIA's driver links libXext and libglvnd, which libEGL and libGL bring.
RUN apt-get update && apt-get install -y --no-install-recommends \
    mesa-vulkan-drivers libvulkan1 libx11-6 libxext6 libegl1 libgl1 && rm -rf /var/lib/apt/lists/*

# What the container toolkit mounts of the host's driver: CUDA, nvidia-smi, and Vulkan, which is `graphics`.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics

ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
RUN python -m venv /opt/venv
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH UV_NO_CACHE=1

# The packages first: they change less often than the code.
WORKDIR /opt/mstool
COPY requirements.lock tools/uv.lock.txt ./
RUN python -m pip install -q --no-cache-dir --no-deps --require-hashes -r uv.lock.txt
RUN uv pip install -q --no-deps --require-hashes -r requirements.lock
COPY . .
RUN uv pip install -q --no-deps --no-build-isolation . ./plugins/lerobot_env_maniskill

# Also for `--user "$(id -u):$(id -g)"`, so that what is written belongs to you.
RUN mkdir -m 1777 /opt/home
ENV HOME=/opt/home
WORKDIR /data
RUN mstool doctor
ENTRYPOINT ["mstool"]
