from django.urls import path

from tavern import views

app_name = "tavern"
urlpatterns = [
    path("", views.home, name="home"),
    path("panels/<slug:name>", views.panel, name="panel"),
    path("battle/<slug:wish>", views.battle_command, name="battle_command"),
]
