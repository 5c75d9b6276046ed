from django.urls import path, re_path
from django.views.generic import TemplateView

from tavern.account import views as account_views
from tavern.achievements import views as achievement_views
from tavern.away import views as away_views
from tavern.battles import orders as battle_orders
from tavern.battles import views as battle_views
from tavern.bell import views as bell_views
from tavern.checkpoints import views as checkpoint_views
from tavern.guild import run_views, skill_views
from tavern.guild import views as guild_views
from tavern.heroes import views as hero_views
from tavern.home import favicon, views
from tavern.keys import SECTIONS
from tavern.last_seen import views as last_seen_views
from tavern.log import views as log_views
from tavern.notices import views as notice_views
from tavern.oracle import views as oracle_views
from tavern.patrol import views as patrol_views
from tavern.quests import mirror_views, source_views
from tavern.quests import quest_views as quest_page_views
from tavern.quests import views as quest_views
from tavern.replay import views as replay_views
from tavern.scheduler import views as scheduler_views
from tavern.settings import views as settings_views
from tavern.vault import compare_views as vault_compare_views
from tavern.vault import order_views as vault_order_views
from tavern.vault import views as vault_views
from tavern.watchtower import views as watchtower_views

app_name = "tavern"
urlpatterns = [
    path("", views.home, name="home"),
    path(
        "keys",
        TemplateView.as_view(template_name="tavern/keys/keys.html", extra_context={"sections": SECTIONS}),
        name="keys",
    ),
    path("favicon.ico", favicon.favicon, name="favicon"),
    path("favicon/<slug:state>/<int:percent>.svg", favicon.ring, name="favicon_ring"),
    path("last-seen.js", last_seen_views.worker, name="last_seen"),
    path("login", account_views.Login.as_view(), name="login"),
    path("logout", account_views.Logout.as_view(), name="logout"),
    path("account", account_views.account, name="account"),
    path("account/password", account_views.change_password, name="account_password"),
    path("account/sessions", account_views.end_sessions, name="account_sessions"),
    path("account/phone", account_views.phone_link, name="account_phone"),
    path("phone", account_views.let_phone_in, name="phone"),
    path("panels/<slug:name>", views.panel, name="panel"),
    path("log", log_views.log, name="log"),
    path("first-steps", views.first_steps_card, name="first_steps"),
    path("battle/rate", views.battle_rate, name="battle_rate"),
    path("battle/<slug:wish>", views.battle_command, name="battle_command"),
    path("battles", battle_views.battles, name="battles"),
    path("battles/compare", battle_views.compare, name="battles_compare"),
    path("battles/compare/report.html", battle_views.compare_report, name="battles_compare_report"),
    path("battles/efficiency", battle_views.efficiency, name="battles_efficiency"),
    path("battles/chosen", battle_orders.chosen, name="battles_chosen"),
    path("battles/delete", battle_orders.delete, name="battles_delete"),
    path("battles/restore", battle_orders.restore, name="battles_restore"),
    path("battles/tags", battle_orders.tag, name="battles_tags"),
    path("battles/stop-all", battle_orders.stop_all, name="battles_stop_all"),
    path("battles/<slug:battle_id>", battle_views.battle, name="battle"),
    path("battles/<slug:battle_id>/notes", battle_orders.save_notes, name="battle_notes"),
    path("battles/<slug:battle_id>/repeat", battle_orders.repeat, name="battle_repeat"),
    path("battles/<slug:battle_id>/report.html", battle_views.battle_report, name="battle_report"),
    path("battles/<slug:battle_id>/replay", replay_views.replay, name="battle_replay"),
    path("battles/<slug:battle_id>/steps/<int:step>", replay_views.step, name="battle_step"),
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
    path("heroes", hero_views.heroes, name="heroes"),
    path("heroes/panels/<slug:name>", hero_views.panel, name="hero_panel"),
    path("heroes/check", hero_views.check, name="hero_check"),
    path("heroes/orders", hero_views.act, name="hero_act"),
    path("heroes/create", hero_views.create, name="hero_create"),
    path("heroes/branch", hero_views.branch, name="hero_branch"),
    path("heroes/match", hero_views.match, name="hero_match"),
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
    path("patrol", patrol_views.patrol, name="patrol"),
    path("patrol/now", patrol_views.patrol_now, name="patrol_now"),
    path("patrol/panels/<slug:name>", patrol_views.panel, name="patrol_panel"),
    path("away", away_views.away, name="away"),
    path("away/seen", away_views.seen, name="away_seen"),
    path("away/report", away_views.returned, name="away_report"),
    path("away/rows", away_views.hide, name="away_rows"),
    path("bell", bell_views.bell, name="bell"),
    path("bell/read", bell_views.read, name="bell_read"),
    path("achievements", achievement_views.achievements, name="achievements"),
    path("notices", notice_views.notices, name="notices"),
    path("notices/rules", notice_views.save, name="notices_save"),
    path("notices/add", notice_views.add, name="notices_add"),
    path("notices/<slug:name>/test", notice_views.send_test, name="notices_test"),
    path("notices/<slug:name>/remove", notice_views.remove, name="notices_remove"),
    path("settings", settings_views.armory, name="settings"),
    path("settings/calculator", settings_views.reckoned, name="settings_calculator"),
    path("settings/set", settings_views.put, name="settings_put"),
    path("settings/presets", settings_views.preset, name="settings_preset"),
    path("settings/restore", settings_views.restore, name="settings_restore"),
    path("settings/presentation", settings_views.presentation, name="settings_presentation"),
    path("scheduler", scheduler_views.scheduler, name="scheduler"),
    path("scheduler/panels/<slug:name>", scheduler_views.panel, name="scheduler_panel"),
    path("scheduler/curriculum", scheduler_views.save_wishes, name="scheduler_wishes"),
    path("scheduler/autoplay", scheduler_views.set_autoplay, name="scheduler_autoplay"),
    path("scheduler/tasks/<slug:name>", scheduler_views.save_task, name="scheduler_task"),
    path("scheduler/tasks/<slug:name>/run", scheduler_views.run_task, name="scheduler_run_task"),
]
