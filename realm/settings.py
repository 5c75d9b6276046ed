"""Django settings. Everything that a player sets comes through realm.config."""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from arena.gate.rules import GateRules
from arena.recipe import Recipe
from arena.rows.formats import load_declared
from guild.tasks.task_settings import Rules as TaskRules
from realm import channel_layer, placed_folders
from realm import config as realm_config
from realm.databases import url as database_url
from realm.logs.configuration import of_process
from realm.placed_folders import FolderGone
from realm.strict import BadConfig
from realm.web import origins, secret_key, served_hosts
from realm.world import CHECKOUT, World
from sentinels.notices.rules import Rules as NoticeRules
from vault.archivist.rules import Rules as ArchivistRules
from vault.treasury.rules import Rules as TreasuryRules

WORLD = World.from_environment()
try:
    placed_folders.check(WORLD)  # before anything is made where they should be
    WORLD.create()
    REALM = realm_config.load(
        WORLD,
        recipe=Recipe,
        gatekeeper=GateRules,
        tasks=TaskRules,
        treasury=TreasuryRules,
        archivist=ArchivistRules,
        notices=NoticeRules,
    )
    load_declared(WORLD)  # read again by those who need it; a world with a broken one does not start
except (BadConfig, FolderGone) as error:
    raise ImproperlyConfigured(str(error)) from None

DEBUG = False
SECRET_KEY = secret_key.load_or_create(WORLD)
# realm.web.guard checks Host, Origin and Sec-Fetch-Site of every request, websockets included, before Django sees it.
_HOSTS = served_hosts.of_server(REALM.bind, REALM.port, REALM.public_origins)
ALLOWED_HOSTS = sorted({origins.name_of(origin) for origin in _HOSTS.origins})
CSRF_TRUSTED_ORIGINS = list(REALM.public_origins)

# No app: 10 MB and a quarter of a second, in every daemon and command, for what web processes alone import.
NINJA = Path(*find_spec("ninja").submodule_search_locations)  # type: ignore[union-attr,misc]
INSTALLED_APPS = [
    "realm.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "django_htmx",
    "django_object_actions",
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
    "realm.web.compressed.Compressed",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "csp.middleware.CSPMiddleware",
    "realm.web.current_hero.FollowHero",
    "watchtower.api.refusals.RefusalsAsProblems",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tavern.database_trouble.DatabaseTrouble",
    "tavern.disk_trouble.DiskTrouble",
    "tavern.account.middleware.LoginWhereNeeded",
    "tavern.presentation.notation.Notation",
    "axes.middleware.AxesMiddleware",
    "watchtower.api.slashes.EitherSpelling",
]

ROOT_URLCONF = "realm.urls"
ASGI_APPLICATION = "realm.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [CHECKOUT / "templates", NINJA / "templates"],
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

try:
    DATABASES = {"default": database_url.settings_of(WORLD, REALM.database_url)}
    CHANNEL_LAYERS = {"default": channel_layer.settings_of(REALM.redis_url, secret_key=SECRET_KEY)}
except (BadConfig, FolderGone) as error:
    raise ImproperlyConfigured(str(error)) from None
# Jobs of workers (guild.workers) lie in PostgreSQL; a world of its own file knows nothing of them, and imports nothing.
if DATABASES["default"]["ENGINE"] == database_url.POSTGRESQL and find_spec("procrastinate"):
    INSTALLED_APPS.append("procrastinate.contrib.django")
    PROCRASTINATE_AUTODISCOVER_MODULE_NAME = None
    PROCRASTINATE_IMPORT_PATHS = ["guild.workers.acts"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Its buttons open a page that asks; what changes something is posted from there.
DJANGO_OBJECT_ACTIONS_DEFAULT_HTTP_METHOD = "POST"

STATIC_URL = "static/"
STATICFILES_DIRS = [CHECKOUT / "static", NINJA / "static"]
WHITENOISE_USE_FINDERS = True

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# The first hashes new passwords; one that another has hashed is hashed anew when it is used.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "tavern:login"
LOGIN_REDIRECT_URL = "tavern:home"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_HANDLER = "tavern.account.lockout.LockoutHandler"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "tavern.account.views.locked_out"
AXES_CLIENT_IP_CALLABLE = "tavern.account.sessions.address_of"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

SESSION_ENGINE = "tavern.account.sessions"
SESSION_COOKIE_AGE = int(timedelta(days=30).total_seconds())  # from its last use on
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
