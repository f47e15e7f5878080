#!/usr/bin/env bash
# Runs in a fresh clone of what the ships landed. Exit status 0: the voyage is complete.
# Anything else makes a repair task, which is given all that was printed here.
set -euo pipefail

for page in building layout README; do
  echo "looking at docs/guide/$page.md"
  test -s "docs/guide/$page.md"
done

grep -q 'building\.md' docs/guide/README.md
grep -q 'layout\.md' docs/guide/README.md

# Your own exit criteria go here, for example:
# npm test
# npm run lint
