"""The machines of a world: what each does now, and what it did in the last day.

from watchtower import machines
for host in machines.now(world, config):
    print(host.name, host.machine and host.machine.cpu_percent)
"""

from watchtower.machines.selectors import HostMachine, history, now

__all__ = ["HostMachine", "history", "now"]
