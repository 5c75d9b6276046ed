class GuildError(Exception):
    """Base of what the guild raises; the text is one sentence for the player."""


class UnknownSkill(GuildError):
    """No skill of that name is to be had; the text lists those that are."""


class TrainerUnavailable(GuildError):
    """A trainer is down, slow, lies or repeats itself; the text names skill, address, what is wrong, what to do."""


class BrokenFile(TrainerUnavailable):
    """What a skill's file asks of its trainer cannot be: trying again helps only when the file has changed."""


class DamagedSet(GuildError):
    """A file of held-out problems is not what the guild wrote; the text names file and line."""
