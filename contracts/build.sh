#!/bin/sh
# Builds contracts into components: contracts/build.sh [NAME...], all of them without names.
#
# The result is target/contracts/NAME.wasm. On one toolchain the same sources give the same bytes in
# any folder: paths are remapped, and what decides about bytes is said here and in Cargo.toml.
# check-reproducible.sh holds it to that.
#
#   CORDON_CONTRACTS         another workspace of contracts, for example tests/hostile; its components
#                            go to target/ and the last part of its name, here target/hostile/. Or one
#                            contract that is a workspace of its own: its component goes to
#                            target/contracts/, and it has to be named
#   CORDON_CONTRACTS_TARGET  the folder for everything that is built; default target/
#   CORDON_CONTRACTS_NAMES   1 keeps the names of functions, which faults are shown with: for development,
#                            the components go to target/contracts-names/ and are larger
#   CORDON_WASM_TOOLCHAIN    see toolchain.sh
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname -- "$here")
contracts=$(CDPATH= cd -- "${CORDON_CONTRACTS:-$here}" && pwd -P)
target=${CORDON_CONTRACTS_TARGET:-$root/target}
if [ -d "$contracts/wit" ]; then
    out=$target/contracts
    folder() { echo "$contracts"; }
    # A developer's own manifest and lock go together as with `cargo build`.
    locked=${CI:+--locked}
else
    out=$target/$(basename -- "$contracts")
    folder() { echo "$contracts/$1"; }
    locked=--locked
fi
cargo_home=${CARGO_HOME:-$HOME/.cargo}
if [ "${CORDON_CONTRACTS_NAMES:-}" = 1 ]; then
    out=$out-names
    export CARGO_PROFILE_RELEASE_STRIP=debuginfo
fi
mkdir -p "$out"

# The native tool first: it must not see the variables of the wasm toolchain.
CARGO_TARGET_DIR=$target/componentize \
    cargo build --quiet --locked --manifest-path "$here/componentize/Cargo.toml"
componentize=$target/componentize/debug/componentize

toolchain=$("$here/toolchain.sh")
eval "$toolchain"

# Flags are separated by U+001F, so that folders may have spaces.
flags=
flag() { flags=$flags${flags:+$(printf '\037')}$1; }
# The last prefix that matches wins.
flag "--remap-path-prefix=$cargo_home=/cargo"
for registry in "$cargo_home"/registry/src/*/; do
    flag "--remap-path-prefix=${registry%/}=/registry"
done
flag "--remap-path-prefix=$root=/cordon"
flag "--remap-path-prefix=$target=/target"
flag "--remap-path-prefix=$CORDON_WASM_SOURCES=$CORDON_WASM_SOURCES_NAME"
# 256 KiB of stack, which lies first, so that running over it traps; then data, then the heap that a
# fresh instance has without growing, to 1 MiB in all (see the allocator in sdk/src/lib.rs).
flag -Clink-arg=-zstack-size=262144
flag -Clink-arg=--initial-memory=1048576

contract_names() {
    if [ $# -gt 0 ]; then
        printf '%s\n' "$@"
    else
        # A contract is a folder with exports of its own.
        for wit in "$contracts"/*/wit; do basename "$(dirname "$wit")"; done
    fi
}

packages=
names=$(contract_names "$@")
for name in $names; do packages="$packages --package $name"; done

# shellcheck disable=SC2086 # lists of words
(cd "$contracts" && unset RUSTFLAGS &&
    CARGO_ENCODED_RUSTFLAGS=$flags CARGO_TARGET_DIR=$out-build \
        cargo build $locked --release --lib --target wasm32-unknown-unknown \
        $CORDON_WASM_CARGO_ARGS $packages)

for name in $names; do
    # Packages before those that use them: the interface, the contracts that this one calls, its own.
    contract=$(folder "$name")
    set -- "$root/wit"
    if [ -f "$contract/wit.deps" ]; then
        while read -r called; do set -- "$@" "$contracts/$called/wit"; done <"$contract/wit.deps"
    fi
    core=$out-build/wasm32-unknown-unknown/release/$(echo "$name" | tr - _).wasm
    "$componentize" "$core" "$out/$name.wasm" "$@" "$contract/wit"
done
