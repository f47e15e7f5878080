#!/usr/bin/env bash
# The voyage is complete when this exits 0 in a fresh clone of its branch.
set -eu
cd ~/voyage/workspace
cat verses/*.txt | diff - <(grep -v '^#' poem.md | sed '/^$/d')
test "$(cat words.txt)" = "$(cat verses/*.txt | wc -w)"
grep -q '<h1>O Captain' index.html && bash test.sh
echo 'the poem is whole'
