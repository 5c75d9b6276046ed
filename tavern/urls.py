from django.urls import path

from tavern import mirror_views, quest_page_views, quest_views, source_views, views

app_name = "tavern"
urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("panels/<slug:name>", views.panel, name="panel"),
    path("battle/<slug:wish>", views.battle_command, name="battle_command"),
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
    path("quests/<int:quest_id>/estimate", quest_page_views.estimate, name="quest_estimate"),
    path("quests/<int:quest_id>/report", quest_page_views.report, name="quest_report"),
    path("quests/<int:quest_id>/quarantine", quest_page_views.quarantine, name="quest_quarantine"),
    path("quests/<int:quest_id>/flagged/<str:name>", quest_page_views.flagged, name="quest_flagged"),
    path("quests/<int:quest_id>/mend", quest_page_views.mend, name="quest_mend"),
]
