from django.apps import AppConfig


class GuildConfig(AppConfig):
    name = "guild"
    verbose_name = "Guild"
