"""The figures of one machine at one moment. Whatever the machine does not tell is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU as its driver tells it; percents are of the whole device."""

    index: int
    name: str | None = None
    uuid: str | None = None
    """By which it is known again after GPUs were added or taken out."""
    use_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    """Since the driver was loaded; it only grows until then."""
    fan_percent: float | None = None
    clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    throttled_by: tuple[str, ...] | None = None
    """Why its clocks are lower than they could be; empty where nothing holds them down."""
    memory_errors: float | None = None
    """Of its memory that ECC could not correct, since the driver was loaded; None where it has no ECC."""

    @property
    def answers(self) -> bool:
        """Whether its driver tells anything of what it does."""
        return any(told is not None for told in (self.use_percent, self.memory_used_bytes, self.temperature_celsius))


@dataclass(frozen=True, kw_only=True)
class Sensor:
    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Rates and CPU percents are means since the reading before, None at the first one."""

    time: float
    """Seconds since 1970."""
    name: str = ""
    cpu_percent: float | None = None
    """Of all processors together."""
    core_percents: tuple[float | None, ...] | None = None
    cores: int | None = None
    load_average: tuple[float, float, float] | None = None
    """Over 1, 5 and 15 minutes, in processes."""
    cpu_mhz: float | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_available_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_used_bytes: int | None = None
    disk_total_bytes: int | None = None
    """Of the file system on which the world lies."""
    disk_used_bytes: int | None = None
    disk_free_bytes: int | None = None
    disk_read_bytes_per_second: float | None = None
    disk_written_bytes_per_second: float | None = None
    network_received_bytes_per_second: float | None = None
    """Over all interfaces but loopback."""
    network_sent_bytes_per_second: float | None = None
    temperature_celsius: float | None = None
    """Of the hottest sensor of the processors, or of any where none of theirs is known."""
    temperatures_celsius: tuple[Sensor, ...] | None = None
    fans_rpm: tuple[Sensor, ...] | None = None
    cpu_energy_joules: float | None = None
    """A counter of the processor packages, which only root may read."""
    gpus: tuple[Gpu, ...] | None = None
    """Empty where there is none; None where a driver is there and does not answer."""
