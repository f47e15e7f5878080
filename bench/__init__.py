"""Measures ocaptain on this machine; `script/bench` runs it. No part of the package."""
