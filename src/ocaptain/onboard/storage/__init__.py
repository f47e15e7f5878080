"""What runs on the storage VM: harbor, its background jobs, and the captain's view of the logs."""
