"""What pages do, and by which address of the API and which command programs do the same.

The lines of curl that stand beside the acts are made of it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLACEHOLDER = "…"


@dataclass(frozen=True, kw_only=True)
class Act:
    form: str
    """Name of the URL that the page's form posts to."""
    method: str = "POST"
    path: str
    """Below the server; what stands in braces is filled in."""
    query: str = ""
    """Name of what is filled in behind the path's question mark."""
    command: str
    fields: Mapping[str, str] = field(default_factory=dict)
    """By key of the body the name of the form's field, and behind a colon how it is read; see js/shared/curl.js."""

    def address(self, origin: str, values: Mapping[str, Any]) -> str:
        path = re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), self.path)
        return f"{origin}{path}?{self.query}={values[self.query]}" if self.query else f"{origin}{path}"

    @property
    def parameters(self) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", self.path)) | ({self.query} - {""})


_RECIPE = {"priority": "priority", "hold": "hold:flag", "preset": "preset", "recipe": "recipe:pairs"}
ACTS: dict[str, Act] = {
    "battle": Act(form="battle_command", path="/api/training/control", command="battle pause"),
    "rate": Act(
        form="battle_rate", path="/api/training/rate", command="battle rate",
        fields={"learning_rate": "learning_rate:number"},
    ),
    "go_on": Act(form="checkpoint_go_on", path="/api/training/go-on", command="ledger go-on-from"),
    "champion_metric": Act(
        form="champion_metric", path="/api/settings/champion-metric", command="ledger best", fields={"metric": "metric"}
    ),
    "paste": Act(
        form="quest_paste", path="/api/quests", command="quest add",
        fields={"name": "name", "text": "text"} | _RECIPE | {"confirm": "confirmed:flag"},
    ),
    "upload": Act(form="quest_upload", path="/api/quests", command="quest add"),
    "quest": Act(form="quest_order", path="/api/quests/{quest}/{act}", command="quest hold"),
    "quest_recipe": Act(
        form="quest_recipe", path="/api/quests/{quest}/recipe", command="quest recipe",
        fields={"preset": "preset", "recipe": "recipe:pairs", "confirm": "confirmed:flag"},
    ),
    "forge": Act(
        form="guild_ask", path="/api/simulation/start", command="forge",
        fields={"skill": "forge-skill", "levels": "forge-levels:numbers", "count": "forge-count:number"},
    ),
    "sparring": Act(
        form="guild_ask", path="/api/sparring/start", command="spar",
        fields={
            "skill": "sparring-skill", "level": "sparring-level:number", "count": "sparring-count:number",
            "checkpoint": "sparring-checkpoint",
        },
    ),
    "trial": Act(
        form="guild_ask", path="/api/benchmark/start", command="trial",
        fields={
            "skills": "trial-skills:list", "levels": "trial-levels:numbers", "problems": "trial-problems:number",
        },
    ),
    "run": Act(form="guild_run_order", path="/api/simulation/stop/{run}", command="runs stop"),
    "autoplay": Act(form="scheduler_autoplay", path="/api/autoplay", command="curriculum set"),
    "curriculum": Act(form="scheduler_wishes", path="/api/curriculum/{skill}", command="curriculum set"),
    "task": Act(form="scheduler_task", path="/api/tasks/{task}", command="tasks set"),
    "run_task": Act(form="scheduler_run_task", path="/api/tasks/{task}/run", command="tasks run"),
    "promote": Act(form="vault_order", path="/api/ledger/{checkpoint}/promote", query="hero", command="ledger promote"),
    "verify": Act(form="vault_order", path="/api/ledger/{checkpoint}/verify", query="hero", command="ledger verify"),
    "export": Act(form="vault_order", path="/api/ledger/{checkpoint}/export", query="hero", command="ledger export"),
    "ask": Act(
        form="oracle_chat", path="/api/oracle/chat", command="oracle",
        fields={
            "message": "message", "host": "host", "checkpoint": "checkpoint", "temperature": "temperature:number",
            "max_tokens": "max_tokens:number",
        },
    ),
    "load": Act(form="oracle_load", path="/api/oracle/load", command="warmup"),
    "unload": Act(form="oracle_unload", path="/api/oracle/unload", command="warmup"),
    "rename": Act(form="oracle_rename", method="PUT", path="/api/oracle/conversations/{key}", command=""),
    "forget": Act(form="oracle_delete", method="DELETE", path="/api/oracle/conversations/{key}", command=""),
    "source": Act(form="quest_sources", path="/api/sources", command="source add"),
    "source_look": Act(form="quest_source_order", path="/api/sources/{name}/look", command="source show"),
    "source_remove": Act(
        form="quest_source_remove", method="DELETE", path="/api/sources/{name}", command="source remove"
    ),
    "patrol": Act(form="patrol_now", path="/api/system/patrol", command="patrol"),
    "service": Act(form="watchtower_service_order", path="/api/system/services/{name}", command="weave"),
    "log_level": Act(form="watchtower_log_level", method="PUT", path="/api/logs/level", command="logs"),
    "notice": Act(form="notices_add", path="/api/notices/{name}", command="notices add"),
    "notice_rules": Act(form="notices_save", path="/api/notices/{name}/rules", command="notices"),
    "notice_test": Act(form="notices_test", path="/api/notices/{name}/test", command="notices test"),
    "notice_remove": Act(
        form="notices_remove", method="DELETE", path="/api/notices/{name}", command="notices remove"
    ),
    "battle_notes": Act(
        form="battle_notes", method="PATCH", path="/api/training/runs/{battle}/notes", command="battle note",
        fields={"label": "label", "tags": "tags:words", "note": "note"},
    ),
    "battle_tags": Act(
        form="battles_tags", method="PATCH", path="/api/training/runs/{battle}/notes", command="battle tag",
    ),
    "battle_repeat": Act(
        form="battle_repeat", path="/api/training/runs/{battle}/repeat", command="battle repeat",
        fields={"key": "key", "value": "value:value", "confirm": "confirmed:flag"},
    ),
    "battles_delete": Act(form="battles_delete", path="/api/training/runs/delete", command="battle delete"),
    "battles_restore": Act(form="battles_restore", path="/api/training/runs/restore", command="battle restore"),
    "battles_stop": Act(form="battles_stop_all", path="/api/training/stop-all", command="battle stop-all"),
    "hero_create": Act(
        form="hero_create", path="/api/heroes", command="hero create",
        fields={"name": "name", "base_model": "base_model", "preset": "preset"},
    ),
    "hero_branch": Act(
        form="hero_branch", path="/api/heroes", command="hero branch",
        fields={"name": "name", "parent": "hero", "checkpoint": "checkpoint"},
    ),
    "hero_switch": Act(form="hero_act", path="/api/heroes/{hero}/switch", command="hero switch"),
    "hero_act": Act(form="hero_act", path="/api/heroes/{hero}/{act}", command="hero retire"),
    "hero_match": Act(
        form="hero_match", path="/api/heroes/matches", command="hero match",
        fields={
            "first": "first", "first_checkpoint": "first_point", "second": "second",
            "second_checkpoint": "second_point", "skills": "skills:list", "levels": "levels:numbers",
        },
    ),
    "setting": Act(
        form="settings_put", path="/api/settings/{key}", command="settings set", fields={"value": "value:value"}
    ),
    "preset": Act(form="settings_preset", path="/api/settings/{key}", command="preset use"),
    "settings_restore": Act(
        form="settings_restore", path="/api/settings/backups/{name}/restore", command="settings restore"
    ),
}  # fmt: skip
PAGES_ALONE = {
    "login": "who looks at pages", "logout": "who looks at pages", "account_sessions": "manage.py account sessions",
    "account_phone": "a page on a phone", "phone": "a page on a phone",
    "account_password": "manage.py account password",
    "battles_chosen": "leads to the page that compares or deletes",
    "away_report": "looks are each browser's own; the report: /api/away",
    "away_rows": "what a browser's own report leaves out", "bell_read": "what a browser has read",
    "settings_presentation": "how a browser's own pages look",
    "first_steps": "a card that the browser hides", "quest_mend": "mended rows come as a new quest: /api/quests",
}  # fmt: skip
"""Forms that programs have no need of, and why."""


def curl(act: Act, origin: str, given: Mapping[str, Any], *, with_token: bool) -> tuple[str, str]:
    """The line up to its body, and the body as JSON; `given` fills the path, the rest of it is sent."""
    body = {key: value for key, value in given.items() if key not in act.parameters}
    body |= dict.fromkeys(act.fields, PLACEHOLDER)
    words = ["curl", *(() if act.method == "POST" else ("-X", act.method)), act.address(origin, given)]
    token = ' -H "Authorization: Bearer $REALM_TOKEN"' if with_token else ""
    return f"{shlex.join(words)}{token} -H 'Content-Type: application/json' -d", json.dumps(body, ensure_ascii=False)
