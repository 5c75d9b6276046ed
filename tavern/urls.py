from django.urls import path, re_path

from tavern.checkpoints import views as checkpoint_views
from tavern.guild import run_views, skill_views
from tavern.guild import views as guild_views
from tavern.home import views
from tavern.oracle import views as oracle_views
from tavern.quests import mirror_views, source_views
from tavern.quests import quest_views as quest_page_views
from tavern.quests import views as quest_views
from tavern.scheduler import views as scheduler_views
from tavern.vault import compare_views as vault_compare_views
from tavern.vault import order_views as vault_order_views
from tavern.vault import views as vault_views
from tavern.watchtower import views as watchtower_views

app_name = "tavern"
urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("panels/<slug:name>", views.panel, name="panel"),
    path("battle/rate", views.battle_rate, name="battle_rate"),
    path("battle/<slug:wish>", views.battle_command, name="battle_command"),
    path("checkpoints/go-on", checkpoint_views.go_on, name="checkpoint_go_on"),
    path("champion", views.champion_metric, name="champion_metric"),
    path("oracle", oracle_views.oracle, name="oracle"),
    path("oracle/status", oracle_views.status, name="oracle_status"),
    path("oracle/load", oracle_views.load, name="oracle_load"),
    path("oracle/unload", oracle_views.unload, name="oracle_unload"),
    path("oracle/chat", oracle_views.chat, name="oracle_chat"),
    path("oracle/<uuid:key>", oracle_views.oracle, name="oracle_conversation"),
    path("oracle/<uuid:key>/rename", oracle_views.rename, name="oracle_rename"),
    path("oracle/<uuid:key>/delete", oracle_views.delete, name="oracle_delete"),
    path("quests", quest_views.board, name="quests"),
    path("quests/lists/<slug:name>", quest_views.one_list, name="quest_list"),
    path("quests/summary", quest_views.summary, name="quest_summary"),
    path("quests/orders", quest_views.order, name="quest_order"),
    path("quests/uploads", quest_views.upload, name="quest_upload"),
    path("quests/uploads/<slug:key>", quest_views.upload_slice, name="quest_upload_slice"),
    path("quests/paste", quest_views.paste, name="quest_paste"),
    path("quests/example", quest_views.example, name="quest_example"),
    path("quests/sources", source_views.overview, name="quest_sources"),
    path("quests/sources/<slug:name>", source_views.source, name="quest_source"),
    path("quests/sources/<slug:name>/files", source_views.order, name="quest_source_order"),
    path("quests/sources/<slug:name>/remove", source_views.remove, name="quest_source_remove"),
    path("quests/sources/<slug:name>/preview", source_views.preview, name="quest_source_preview"),
    path("quests/<int:quest_id>", quest_page_views.quest, name="quest"),
    path("quests/<int:quest_id>/rows", mirror_views.rows, name="quest_rows"),
    path("quests/<int:quest_id>/rows/<int:line>", mirror_views.row, name="quest_row"),
    path("quests/<int:quest_id>/packed/<int:number>", mirror_views.packed, name="quest_packed"),
    path("quests/<int:quest_id>/recipe", quest_page_views.recipe, name="quest_recipe"),
    path("quests/<int:quest_id>/estimate", quest_page_views.estimate, name="quest_estimate"),
    path("quests/<int:quest_id>/report", quest_page_views.report, name="quest_report"),
    path("quests/<int:quest_id>/quarantine", quest_page_views.quarantine, name="quest_quarantine"),
    path("quests/<int:quest_id>/flagged/<str:name>", quest_page_views.flagged, name="quest_flagged"),
    path("quests/<int:quest_id>/mend", quest_page_views.mend, name="quest_mend"),
    path("guild", guild_views.hall, name="guild"),
    path("guild/panels/<slug:name>", guild_views.panel, name="guild_panel"),
    path("guild/ask/<slug:kind>", guild_views.ask, name="guild_ask"),
    path("guild/runs/orders", run_views.order, name="guild_run_order"),
    path("guild/runs/compare", run_views.compare, name="guild_compare"),
    path("guild/runs/<int:run_id>", run_views.run, name="guild_run"),
    path("guild/<slug:name>", skill_views.skill, name="guild_skill"),
    path("guild/<slug:name>/samples", skill_views.samples, name="guild_samples"),
    path("vault", vault_views.vault, name="vault"),
    path("vault/panels/<slug:name>", vault_views.panel, name="vault_panel"),
    path("vault/orders", vault_order_views.order, name="vault_order"),
    path("vault/ask/<slug:verb>", vault_order_views.ask, name="vault_ask"),
    path("vault/room", vault_views.room, name="vault_room"),
    path("vault/zones", vault_views.zones, name="vault_zones"),
    path("vault/compare", vault_compare_views.compare, name="vault_compare"),
    path("vault/champions", vault_views.champions, name="vault_champions"),
    re_path(
        r"^vault/(?P<hero>[A-Za-z][A-Za-z0-9_-]{0,39})/(?P<name>checkpoint-\d{1,19}-\d{8}-\d{4})$",
        vault_views.checkpoint,
        name="vault_checkpoint",
    ),
    path("watchtower", watchtower_views.watchtower, name="watchtower"),
    path("watchtower/panels/<slug:name>", watchtower_views.panel, name="watchtower_panel"),
    path("watchtower/logs", watchtower_views.log_lines, name="watchtower_log_lines"),
    path("watchtower/logs/level", watchtower_views.log_level, name="watchtower_log_level"),
    path("watchtower/services", watchtower_views.service_order, name="watchtower_service_order"),
    path("scheduler", scheduler_views.scheduler, name="scheduler"),
    path("scheduler/panels/<slug:name>", scheduler_views.panel, name="scheduler_panel"),
    path("scheduler/curriculum", scheduler_views.save_wishes, name="scheduler_wishes"),
    path("scheduler/autoplay", scheduler_views.set_autoplay, name="scheduler_autoplay"),
    path("scheduler/tasks/<slug:name>", scheduler_views.save_task, name="scheduler_task"),
    path("scheduler/tasks/<slug:name>/run", scheduler_views.run_task, name="scheduler_run_task"),
]
