#!/usr/bin/env bash
# Run once, when Gradescope builds the image: Python, the course, its grader, and the proof that it grades.
set -euo pipefail
source="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
tree="$(dirname "$source")"
export DEBIAN_FRONTEND=noninteractive

find_python() {
  local name
  for name in python3.12 python3.11 python3.13 python3.14 python3; do
    if "$name" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null
    then
      python="$name"
      return 0
    fi
  done
  return 1
}

if ! find_python; then
  apt-get update
  for version in 3.12 3.11; do
    apt-get install -y --no-install-recommends "python$version" "python$version-venv" && break
  done
  find_python || {
    echo "Python 3.11 to 3.14 is needed: choose Ubuntu 24.04 as the base image." >&2
    exit 1
  }
fi

# Only of use where the container may make namespaces; without it the level is landlock.
command -v bwrap >/dev/null ||
  { apt-get update && apt-get install -y --no-install-recommends bubblewrap; } ||
  echo "No bubblewrap: students' code is locked in by Landlock alone."

[ -x "$tree/venv/bin/python" ] || "$python" -m venv "$tree/venv"
pip=("$tree/venv/bin/python" -I -m pip install --disable-pip-version-check --no-cache-dir --quiet
  --constraint "$source/constraints.txt")
# The CPU build is a tenth of the default one. What it asks for comes later: its index has other versions of that.
"$tree/venv/bin/python" -I -c 'import torch' 2>/dev/null ||
  "${pip[@]}" --no-deps torch --index-url https://download.pytorch.org/whl/cpu ||
  "${pip[@]}" torch
"${pip[@]}" "$source/packages/course" "$source/packages/autograder"

"$tree/venv/bin/autograder" doctor --course-root "$source/course_root"
"$tree/venv/bin/python" -I -m autograder.gradescope.run "$tree" --trial
