#!/usr/bin/env bash
# Exactly what CI runs: formatting, lint, types, layers, generated files, then every test.
# Tests mostly wait, so three processes share them on two cores; `hack/verify-all.sh -n 0` takes one.
set -euo pipefail
cd "$(dirname "$0")/.."
run() { echo "· $*" >&2; "$@"; }
bin=.venv/bin
run $bin/ruff format --check --quiet .
run $bin/ruff check --quiet .
run $bin/mypy --no-error-summary
run $bin/lint-imports --no-cache >/dev/null || $bin/lint-imports --no-cache
run $bin/python -m hack.generate --check
[ "${1:-}" = "--no-tests" ] && exit 0
run $bin/python -m hack.cluster build
run $bin/python -m pytest -n 3 "$@"
