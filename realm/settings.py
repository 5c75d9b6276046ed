"""Django settings. Everything that a player sets comes through realm.config."""

from __future__ import annotations

import environ
from django.core.exceptions import ImproperlyConfigured

from arena.gate.rules import GateRules
from arena.recipe import Recipe
from arena.rows.formats import load_declared
from guild.tasks.task_settings import Rules as TaskRules
from realm import config as realm_config
from realm.logs.configuration import of_process
from realm.strict import BadConfig
from realm.web import secret_key
from realm.world import CHECKOUT, World
from vault.archivist.rules import Rules as ArchivistRules
from vault.treasury.rules import Rules as TreasuryRules

WORLD = World.from_environment()
WORLD.create()
try:
    REALM = realm_config.load(
        WORLD,
        recipe=Recipe,
        gatekeeper=GateRules,
        tasks=TaskRules,
        treasury=TreasuryRules,
        archivist=ArchivistRules,
    )
    load_declared(WORLD)  # read again by those who need it; a world with a broken one does not start
except BadConfig as error:
    raise ImproperlyConfigured(str(error)) from None

DEBUG = False
SECRET_KEY = secret_key.load_or_create(WORLD)
# realm.web.guard checks Host, Origin and Sec-Fetch-Site of every request, websockets included, before Django sees it.
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "realm.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "django_object_actions",
    "ninja",
    "template_partials",
    "realm.apps.RealmConfig",
    "vault.apps.VaultConfig",
    "guild.apps.GuildConfig",
    "arena.apps.ArenaConfig",
    "watchtower.apps.WatchtowerConfig",
    "sentinels.apps.SentinelsConfig",
    "tavern.apps.TavernConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "csp.middleware.CSPMiddleware",
    "watchtower.api.refusals.RefusalsAsProblems",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tavern.database_trouble.DatabaseTrouble",
    "watchtower.api.slashes.EitherSpelling",
]

ROOT_URLCONF = "realm.urls"
ASGI_APPLICATION = "realm.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [CHECKOUT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Two processes write (daemon and web), so a transaction takes its write lock at once and waits for it.
_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": WORLD.database,
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    },
}
DATABASES = {"default": environ.Env.db_url_config(REALM.database_url) if REALM.database_url else _SQLITE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": (
        {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REALM.redis_url]}}
        if REALM.redis_url
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}

# Its buttons open a page that asks; what changes something is posted from there.
DJANGO_OBJECT_ACTIONS_DEFAULT_HTTP_METHOD = "POST"

STATIC_URL = "static/"
STATICFILES_DIRS = [CHECKOUT / "static"]
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_NAME = f"realm-session-{REALM.port}"
CSRF_COOKIE_NAME = f"realm-csrf-{REALM.port}"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

# Uploads go to the world's own disk, from where a quest is only renamed; pasted rows are held in memory.
FILE_UPLOAD_HANDLERS = ["realm.web.upload_handler.UploadHandler"]
FILE_UPLOAD_TEMP_DIR = WORLD.uploads
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024**2

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

LOGGING = of_process(WORLD, "", level=REALM.log_level)  # the console alone: each process names its service first
