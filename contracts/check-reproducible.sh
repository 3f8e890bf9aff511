#!/bin/sh
# Builds all contracts twice, in two folders of different names, and compares the bytes.
set -eu

contracts=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname -- "$contracts")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Fetched once: what Debian's packages unpack to is large.
CORDON_WASM_TOOLCHAIN_DIR=${CORDON_WASM_TOOLCHAIN_DIR:-$root/target/wasm-toolchain}
export CORDON_WASM_TOOLCHAIN_DIR

for place in "$work/one" "$work/a longer place/two"; do
    mkdir -p "$place"
    tar -C "$root" --exclude=target -cf - wit contracts | tar -C "$place" -xf -
    echo "building in $place"
    (unset CORDON_CONTRACTS_TARGET CARGO_TARGET_DIR && "$place/contracts/build.sh" >/dev/null &&
        "$place/contracts/javascript/build.sh" >/dev/null)
    (cd "$place/target" && sha256sum -- contracts/*.wasm javascript/*.wasm) >"$place/sums"
done

if cmp -s "$work/one/sums" "$work/a longer place/two/sums"; then
    echo "reproducible:"
    cat "$work/one/sums"
else
    echo "the two builds differ:" >&2
    diff "$work/one/sums" "$work/a longer place/two/sums" >&2 || true
    exit 1
fi
