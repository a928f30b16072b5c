"""How methods and their settings are written for people."""

METHODS = {"ddpm": "DDPM", "etsdm": "E-TSDM"}
"""Names of the paper's two methods. Every other method is written as a configuration names it."""
SETTINGS = {"t_tilde": "t̃"}
"""Settings that a formula names otherwise than a configuration does."""


def method_name(name: str) -> str:
    """A method's name for people."""
    return METHODS.get(name, name)


def setting_name(key: str) -> str:
    """A setting's name for people."""
    return SETTINGS.get(key, key)
