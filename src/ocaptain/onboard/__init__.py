"""What runs on VMs: harbor on storage, helm on ships. Standard library only, Python 3.10 on."""
