"""What tests of several folders share: captains, voyages, storages, audits."""
