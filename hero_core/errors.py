"""Errors meant for the person who reads them: what is wrong, in which file, what to do."""


class HeroError(Exception):
    """A failure the user can act on: one clear line, which the commands print without a traceback."""


class ConfigError(HeroError):
    """A setting is unknown or has an impossible value."""


class InputError(HeroError):
    """A user's file or folder is missing, empty, or not what was asked for."""


class WeightsError(HeroError):
    """A weights file cannot be read or does not fit the model."""


class ManifestError(HeroError):
    """A manifest is missing, of another version, or contradicts the files it describes."""


class ShardError(HeroError):
    """A shard is damaged or does not hold what its manifest promises."""


class FingerprintError(HeroError):
    """Features were made in another way than the ones they would be mixed with."""


class OutputError(HeroError):
    """A file cannot be written: no room, no right, or somebody else is writing there."""
