"""The software Vulkan driver that SAPIEN renders with: found wanting, and installed.

lavapipe     does SAPIEN render, and which packages are missing
install      installs them with the rights there are, or says how
apt_sources  what apt reads
shell        commands, words, the one error

`tools/setup.py` uses it before anything is installed: standard library only, Python 3.9 or newer.
"""
