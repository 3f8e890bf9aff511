#!/usr/bin/env bash
# Generates patients (PATIENTS of them, 200 if unset), imports them into a network of its own through
# the official Fabric client, and checks what every side can read afterwards. Succeeds only if all of
# it agrees. CORDON_BIN names the binary of the host.
set -euo pipefail
cd "$(dirname "$0")"

patients=${PATIENTS:-200}
work=../../target/import-demo
mkdir -p "$work"

if ! cmp -s package-lock.json "$work/package-lock.json" || [ ! -x node_modules/.bin/node ]; then
    npm ci --no-audit --no-fund
    cp package-lock.json "$work/"
fi
if [ ! -x "$work/venv/bin/carebundle" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet carebundle==0.5.0
fi
rm -rf "$work/patients"
"$work/venv/bin/carebundle" generate --profile mixed --count "$patients" --seed 42 --out "$work/patients"

node_modules/.bin/node import.mjs "$work/patients"
