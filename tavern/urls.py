from django.urls import URLPattern

app_name = "tavern"
urlpatterns: list[URLPattern] = []
