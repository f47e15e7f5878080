"""Breaks voyages on this machine, and audits them; `script/chaos` runs it."""
