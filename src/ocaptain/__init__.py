"""ocaptain: sail a fleet of coding agents through one plan, onto one branch."""

__version__ = "0.1.0"
