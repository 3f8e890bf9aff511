#!/bin/sh
# Builds contracts in JavaScript into components: contracts/javascript/build.sh [NAME...], all of them
# without names. A contract is a folder with a contract.js. Its WIT is in the folder's own wit/, or that of
# the contract in Rust of the same name.
#
# The result is target/javascript/NAME.wasm. On Linux the same sources give the same bytes in any folder;
# elsewhere the state in which the engine starts differs from build to build.
#
#   CORDON_CONTRACTS         another folder of contracts in JavaScript, for example tests/javascript; its
#                            components go to target/ and the last two parts of its name with a dash, here
#                            target/tests-javascript/
#   CORDON_CONTRACTS_TARGET  the folder for everything that is built; default target/
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
contracts=$(dirname -- "$here")
root=$(dirname -- "$contracts")
target=${CORDON_CONTRACTS_TARGET:-$root/target}
javascript=$(CDPATH= cd -- "${CORDON_CONTRACTS:-$here}" && pwd -P)
out=$target/javascript
[ "$javascript" = "$here" ] || out=$target/$(basename -- "$(dirname -- "$javascript")")-$(basename -- "$javascript")
build=$target/javascript-build
mkdir -p "$out" "$build"

CARGO_TARGET_DIR=$target/componentize \
    cargo build --quiet --locked --manifest-path "$contracts/componentize/Cargo.toml"
tools=$target/componentize/debug

# What npm installs is outside of the sources, and whole when the lock is there too.
if ! cmp -s "$here/package-lock.json" "$build/npm/installed"; then
    rm -rf "$build/npm"
    mkdir "$build/npm"
    cp "$here/package.json" "$here/package-lock.json" "$build/npm/"
    # Not `npm ci`: this version names platforms for which its makers have published nothing. What is
    # installed is what the lock says all the same.
    (cd "$build/npm" && npm install --ignore-scripts --no-audit --no-fund --no-save >&2)
    cp "$here/package-lock.json" "$build/npm/installed"
fi

steady=
if [ "$(uname -s)" = Linux ]; then
    # A path from the folder that it runs in: one with a space would be two.
    steady=./steady.so
    cc -shared -fPIC -O1 -o "$build/steady.so" "$here/steady.c" -ldl
fi

# The folders of WIT of a contract: the interface, the contracts that this one calls, its own.
wit_folders() {
    own=$javascript/$1
    [ -d "$own/wit" ] || own=$contracts/$1
    echo "$root/wit"
    if [ -f "$own/wit.deps" ]; then
        while read -r called; do echo "$contracts/$called/wit"; done <"$own/wit.deps"
    fi
    echo "$own/wit"
}

if [ $# -eq 0 ]; then
    cd "$javascript"
    set -- */contract.js
    cd - >/dev/null
fi
for name in "$@"; do
    name=${name%/contract.js}
    work=$build/$name
    rm -rf "$work"
    mkdir -p "$work/wit/deps"
    # componentize-qjs wants one folder, with all other packages below deps/.
    wit_folders "$name" | while read -r folder; do
        package=$(printf %s "${folder#"$root"}" | tr / -)
        mkdir -p "$work/wit/deps/$package"
        cp "$folder"/*.wit "$work/wit/deps/$package/"
        echo "$package" >"$work/own"
    done
    mv "$work/wit/deps/$(cat "$work/own")"/*.wit "$work/wit/"
    rmdir "$work/wit/deps/$(cat "$work/own")"

    (cd "$build" && env ${steady:+"LD_PRELOAD=$steady"} \
        node npm/node_modules/componentize-qjs/cli.mjs --sync --opt-size --stub-wasi \
        --wit "$work/wit" --module-root "$root" --js "$javascript/$name/contract.js" \
        --output "$work/linked.wasm") >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

    # Folders may have spaces.
    wit_folders "$name" >"$work/folders"
    set --
    while read -r folder; do set -- "$@" "$folder"; done <"$work/folders"
    find "$javascript/$name" "$here/sdk.js" -name '*.js' -exec cat {} + >"$work/scripts.js"
    "$tools/flatten" "$work/linked.wasm" "$work/scripts.js" "$work/core.wasm" "$@"
    "$tools/componentize" "$work/core.wasm" "$out/$name.wasm" "$@"
done
