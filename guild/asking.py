"""The inference hosts for a script or a notebook: see realm.facade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guild.evaluation import hosting
from guild.evaluation.checkpoints import choose
from realm.hosts import Host, list_hosts
from realm.oracle.sync_client import LoadedModel
from realm.place import Place

MOST_TOKENS = 128


class Oracle(Place):
    def in_words(self) -> str:
        return ", ".join(f"{host.name} at {host.url}" for host in self.hosts) or "no hosts"

    @property
    def hosts(self) -> list[Host]:
        return list_hosts(self.world, oracle_port=self._config.oracle_port)

    def loaded(self, *, host: str | None = None) -> list[LoadedModel]:
        """What the host has in memory, highest step first. Raises HostTrouble."""
        with hosting.connect(self.world, host) as client:
            return client.loaded()

    def ask(self, prompt: str, **options: Any) -> str:
        """The answer to one question; `options` as of `answers`. Raises HostTrouble, GuildError."""
        return self.answers([prompt], **options)[0]

    def answers(
        self,
        prompts: Sequence[str],
        *,
        checkpoint: str | int = "newest",
        host: str | None = None,
        max_new_tokens: int = MOST_TOKENS,
    ) -> list[str]:
        """Those of a checkpoint: a step, a name, `newest`, `best` or `base`.

        It is loaded first, and unloaded unless it was there before. Raises HostTrouble, GuildError.
        """
        hero = self._config.hero
        (chosen,) = choose(self.world, hero, [str(checkpoint)])
        with hosting.connect(self.world, host) as client, hosting.on_host(client, hero=hero, chosen=chosen) as model:
            return client.answer(model, prompts, max_new_tokens=max_new_tokens)
