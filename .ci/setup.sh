#!/usr/bin/env bash
# Makes a fresh Debian machine with rustup or cargo ready for everything the Makefile does. Installs
# what is missing and nothing else; says exactly what to run when it may not install.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# === Rust ===

rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
if ! have cargo || ! have rustc; then
    say "no cargo here: install Rust $rust_wanted or newer, for example with rustup, and run this again"
    exit 1
fi
rust_found=$(rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$rust_wanted" "${rust_found%%-*}" | sort -V | head -n 1)" != "$rust_wanted" ]; then
    say "Rust is $rust_found, $rust_wanted or newer is needed: rustup update stable"
    exit 1
fi
for component in rustfmt clippy; do
    tool=cargo-${component/rustfmt/fmt}
    # rustup puts a proxy in place of a tool that is not there: ask the tool itself.
    if ! "$tool" --version >/dev/null 2>&1; then
        if have rustup; then
            rustup component add "$component"
        else
            say "no $tool here: install it beside cargo"
            exit 1
        fi
    fi
done

# === Debian packages ===

missing=()
need() { missing+=("$1"); }
have cc || need gcc
have make || need make
have git || need git
have tar || need tar
# Headers of the C library, for the C sources of the cryptography.
if have cc && ! echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1; then need libc6-dev; fi
[ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
# The clients' tests: npm brings the newer Node that they need.
have node || need nodejs
have npm || need npm
# The import demonstration.
have python3 || need python3
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then need python3-venv; fi

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! have apt-get; then
    say "missing, by their Debian names: ${missing[*]}"
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
else
    say "missing: ${missing[*]}. As root, run:"
    say "  apt-get update && $install"
    exit 1
fi
say "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
# env, because sudo keeps no variables.
# shellcheck disable=SC2086 # a list of words
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $install
