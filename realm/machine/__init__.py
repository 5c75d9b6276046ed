"""What this machine is doing: processors, memory, disk, network, sensors, GPUs. No Django.

In reading order: machine (the figures), readings (how they come about), gpus, sensors, services, wire.
"""
