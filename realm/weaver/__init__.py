"""The weaver: starts, watches, mends and stops every service of a world, on top of supervisord.

In reading order: services (what runs), supervisord_config (its configuration), starter (how a service begins),
service_lock (one of each), supervisord (one that runs), orphans (services whose supervisord is gone), verbs.
"""


class WeaverError(Exception):
    """One sentence for the player: what does not run, and what to do."""
