#!/usr/bin/env bash
# Holds the crates of host/ to the table in host/README.md. Reads `cargo tree` and sources, builds
# nothing. Every violation is printed; the exit code is 1 when there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

# What a pure crate must have nowhere below it: a runtime, a server, an engine, a disk.
pure="tokio tonic hyper wasmtime sled cordon-journal"

# Rule 1. A crate depends only on crates in lines above its own (`above`), or only on those named.
# Rule 2. Nothing in the last column is anywhere in its tree. Features are those that the crate asks
# for itself: `wire` is judged without `services`, as the pure crates use it.
#
# crate      of ours                must not be in its tree
table="
types      | none                 | $pure
wire       | types                | $pure
journal    | none                 | tokio tonic hyper wasmtime sled
identity   | above                | $pure
policy     | above                | $pure x509-parser rustls-webpki aws-lc-rs
lifecycle  | types wire policy    | $pure x509-parser rustls-webpki aws-lc-rs
execute    | above                | tokio tonic hyper sled cordon-journal aws-lc-rs
compile    | execute              | tokio tonic hyper sled cordon-journal aws-lc-rs
cases      | types execute        | tokio tonic hyper sled cordon-journal aws-lc-rs
endorse    | above                | tokio tonic hyper sled cordon-journal
order      | above                | wasmtime sled cordon-identity cordon-execute
validate   | above                | $pure x509-parser rustls-webpki aws-lc-rs
ledger     | above                | tokio tonic hyper wasmtime cordon-order cordon-identity
channel    | above                |
gateway    | above                |
client     | types wire identity  | wasmtime sled cordon-journal
cordon     | above                |
"

# Rule 3. Some packages are named in the manifests of these crates only (tests/ may use any).
sole="
wasmtime           | execute
wit-component      | execute
sled               | ledger
x509-parser        | identity
rcgen              | identity
rustls-webpki      | identity
prost              | wire
tonic-prost        | wire
prost-build        | wire
tonic-prost-build  | wire
protox             | wire
tonic              | wire order gateway client cordon
cedar-policy       | policy
clap               | cordon
"

# Rule 4. One crypto stack, aws-lc-rs: none of these on any platform, tools of the build included.
# (Hashing with sha2 needs no key and is no stack.)
banned="ring openssl openssl-sys native-tls boring mbedtls"

# Rule 5. Words that sources of these crates do not hold, tests aside. Channel reads components,
# which are no data; journal and ledger alone open data files; cordon reads keys and configuration.
files='\b(std|tokio)::fs\b|\bfs::|\bFile::|\bOpenOptions\b'
clocks='\b(SystemTime|Instant|UNIX_EPOCH)\b'
world='\bstd::(env|process|thread)\b|\bstd::net::(Tcp|Udp)'
servers='\btonic::transport::[Ss]erver\b|_server::'
words="
types wire identity policy lifecycle validate        | $files|$clocks|$world | a file, a clock or a process
execute endorse order gateway client                 | $files                | a data file
types wire identity policy lifecycle validate execute endorse | $servers              | a gRPC server
order channel client cordon                          | $servers              | a gRPC server
"

failed=0
violation() {
    failed=1
    printf 'edges: %s\n' "$*" >&2
}

package() { if [ "$1" = cordon ]; then echo cordon; else echo "cordon-$1"; fi; }

tree() { cargo tree --locked --prefix none --format '{p}' "$@" | cut -d ' ' -f 1 | sort -u; }

# Trims the blanks that align the columns.
trim() { sed 's/^ *//; s/ *$//' <<<"$1"; }

has() { grep -qxF -- "$2" <<<"$1"; }

# The sources of a crate without its tests: whole files of them, and what follows
# `#[cfg(test)] mod … {` at the end of a file.
sources() {
    find "host/$1/src" -name '*.rs' ! -path '*/tests/*' ! -name tests.rs ! -name testing.rs \
        ! -name measure.rs -print | sort
}
code() {
    awk '/^#\[cfg\(test\)\]/ { test = 1; next }
         test && /\{$/ { exit }
         { test = 0 }
         !/^ *\/\// { print FILENAME ":" FNR ": " $0 }' "$1"
}

above=" "
while IFS='|' read -r crate ours forbidden; do
    crate=$(trim "$crate")
    [ -n "$crate" ] || continue
    if [ ! -f "host/$crate/Cargo.toml" ]; then
        violation "$crate is in the table but not in host/"
        continue
    fi
    case $(trim "$ours") in
    above) may=$above ;;
    none) may=" " ;;
    *) may=" $(trim "$ours") " ;;
    esac
    # Dependencies of tests count: they are arrows too.
    direct=$(tree -e normal,build,dev -p "$(package "$crate")" --depth 1)
    for other in $(sed -n 's/^cordon-//p; s/^cordon$/&/p' <<<"$direct"); do
        if [ "$other" != "$crate" ] && [[ $may != *" $other "* ]]; then
            violation "$crate depends on $other; it may depend on:${may:- nothing of ours}"
        fi
    done
    all=$(tree -e normal -p "$(package "$crate")")
    for name in $forbidden; do
        if has "$all" "$name"; then
            violation "$crate must not see $name:"
            cargo tree --locked -e normal -p "$(package "$crate")" -i "$name" >&2 || true
        fi
    done
    while IFS='|' read -r name owners; do
        name=$(trim "$name")
        if [ -n "$name" ] && has "$direct" "$name" && [[ " $(trim "$owners") " != *" $crate "* ]]; then
            violation "$crate names $name in its manifest; only these may: $(trim "$owners")"
        fi
    done <<<"$sole"
    above="$above$crate "
done <<<"$table"

for manifest in host/*/Cargo.toml; do
    crate=$(basename "$(dirname "$manifest")")
    [[ $above == *" $crate "* ]] || violation "host/$crate is not in the table of .ci/edges.sh"
done

everything=$(tree --workspace --target all -e normal,build,dev)
for name in $banned; do
    if has "$everything" "$name"; then
        violation "$name is in the tree; the one crypto stack is aws-lc-rs:"
        cargo tree --locked --workspace --target all -e normal,build,dev -i "$name" >&2 || true
    fi
done

# The pattern has bars of its own: the first field ends at the first, the last begins at the last.
while read -r line; do
    [ -n "$line" ] || continue
    crates=${line%%|*} what=$(trim "${line##*|}") pattern=${line#*|}
    pattern=$(trim "${pattern%|*}")
    for crate in $crates; do
        for file in $(sources "$crate"); do
            found=$(code "$file" | grep -P -- "$pattern" || true)
            [ -z "$found" ] || violation "$crate must not touch $what:"$'\n'"$found"
        done
    done
done <<<"$words"

if [ $failed -ne 0 ]; then
    echo "edges: see host/README.md; a new arrow needs a decision in docs/adr/ and a line here" >&2
    exit 1
fi
echo "edges: $(wc -w <<<"$above") crates, all arrows point down"
