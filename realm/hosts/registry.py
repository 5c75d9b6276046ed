"""All machines of a world, and whom a name or a service means."""

from __future__ import annotations

from dataclasses import dataclass

from realm import strict
from realm.hosts.host import Host


class UnknownHost(LookupError):
    """One sentence for the player: which hosts there are."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """All that the two files say: machines in their order, and what cannot be used of it."""

    machines: tuple[Host, ...]
    broken: dict[str, str]
    """Why there is no such host, by name; "" is for a file of which nothing could be read."""
    default: str | None
    """Id of the first inference host, be it a broken one."""
    named: frozenset[tuple[str, str]] = frozenset()
    """Machine and service, where the files name the service."""

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The inference hosts."""
        return tuple(host for host in self.machines if host.infers)

    @property
    def trouble(self) -> str:
        """Empty where every entry can be used."""
        return " ".join(f"{sentence.rstrip('.')}." for sentence in self.broken.values())

    def find(self, name: str | None) -> Host:
        """The machine of that id, the default inference host for None; no other one stands in for a broken one.

        Raises UnknownHost, or strict.BadConfig.
        """
        name = self.default if name is None else name
        for host in self.machines:
            if host.id == name:
                return host
        told = self.broken.get(name or "") or self.broken.get("")
        if told:
            raise strict.BadConfig(told)
        raise UnknownHost(f"There is no host {strict.shown(name)}. Known: {_ids(self.machines)}.")

    def find_inference(self, name: str | None) -> Host:
        """As `find`; raises UnknownHost for a machine that serves no inference, too."""
        host = self.find(name)
        if not host.infers:
            raise UnknownHost(f"{host.id} serves no inference. Known: {_ids(self.hosts)}.")
        return host

    def offering(self, service: str) -> Host:
        """The first machine whose entry names the service, or else has it. Raises UnknownHost, or strict.BadConfig."""
        having = [host for host in self.machines if service in host.services]
        if not having:
            if self.broken:
                raise strict.BadConfig(self.trouble)
            known = ", ".join(dict.fromkeys(name for host in self.machines for name in host.services)) or "none"
            raise UnknownHost(f"There is no service {strict.shown(service)}. Known: {known}.")
        return next((host for host in having if (host.id, service) in self.named), having[0])


def _ids(hosts: tuple[Host, ...]) -> str:
    return ", ".join(host.id for host in hosts) or "none"
