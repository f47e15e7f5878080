"""The bridge to agents that speak the Agent Client Protocol, version 1.

helm starts it as it would an agent. The bridge starts the agent, speaks the protocol to it, and
says our events on its stdout, a JSON object each line. docs/agents.md says how agents differ.
"""
