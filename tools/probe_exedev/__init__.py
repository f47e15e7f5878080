"""Holds exe.dev to what ocaptain assumes of it. Start it as script/probe-exedev."""
