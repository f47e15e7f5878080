"""What runs on a ship: helm, its one agent at a time, and the clone that the agent works in."""
