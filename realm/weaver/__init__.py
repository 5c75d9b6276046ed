"""The weaver: starts, watches, mends and stops every service of a world, on top of supervisord.

In reading order: services (what runs), plan (supervisord's configuration), loom (one running supervisord),
orphans (services whose supervisord is gone), weave (the verbs).
"""


class WeaverError(Exception):
    """One sentence for the player: what does not run, and what to do."""
