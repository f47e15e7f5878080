#!/usr/bin/env bash
# Runs in each fresh clone before its first use, so that agents and verify.sh find all they need.
set -euo pipefail

# For example:
# npm ci
# git submodule update --init
# git lfs pull
