#!/usr/bin/env bash
# Licences, banned packages, duplicate versions and sources with cargo-deny, of all workspaces.
# Advisories are shown and refuse nothing: a new one must not stop work that did not cause it.
set -euo pipefail
cd "$(dirname "$0")/.."

# One version for everybody: lints come and go with versions.
version=0.20.2
tools=$PWD/target/tools
if ! deny=$(command -v cargo-deny); then
    deny=$tools/bin/cargo-deny
    if [ ! -x "$deny" ]; then
        echo "deny: installing cargo-deny $version into target/tools (about three minutes of one core, once)"
        # Built elsewhere than in target/release, whose artefacts it would share a lock with.
        cargo install cargo-deny --locked --quiet --version "$version" \
            --root "$tools" --target-dir "$tools/build"
        rm -rf "$tools/build"
    fi
fi

echo "deny: host"
# A licence that one workspace has an exception for is met in that one only.
"$deny" --locked --config deny.toml check --allow license-exception-not-encountered \
    bans licenses sources
for workspace in contracts contracts/componentize tests/hostile tests/fuzz; do
    echo "deny: $workspace"
    # The skips of deny.toml are the host's.
    "$deny" --locked --config deny.toml --manifest-path "$workspace/Cargo.toml" \
        check --allow unmatched-skip --allow unnecessary-skip \
        --allow license-exception-not-encountered bans licenses sources
done

echo "deny: advisories"
for manifest in Cargo.toml contracts/Cargo.toml contracts/componentize/Cargo.toml \
    tests/hostile/Cargo.toml tests/fuzz/Cargo.toml; do
    "$deny" --locked --config deny.toml --manifest-path "$manifest" check advisories ||
        echo "deny: advisories for $manifest, or no way to the database (above): look, but go on"
done
