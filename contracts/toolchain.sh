#!/bin/sh
# Finds what builds Rust for wasm32-unknown-unknown, gets it if need be, and prints it as shell
# variables for build.sh:
#
#   eval "$(contracts/toolchain.sh)"
#
# Tried in this order; CORDON_WASM_TOOLCHAIN=rustup|debian insists on one:
#   rustup  the target of the installed toolchain, added with `rustup target add` where missing.
#   debian  Debian's Rust for web browsers with the sources of the standard library, unpacked below
#           target/ without being installed, driven by the cargo that is there. For machines that
#           reach a Debian mirror but not rustup's server.
set -eu

target=wasm32-unknown-unknown
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
folder=${CORDON_WASM_TOOLCHAIN_DIR:-$root/target/wasm-toolchain}
wanted=${CORDON_WASM_TOOLCHAIN:-any}

say() { echo "toolchain: $*" >&2; }

# Prints one assignment, quoted for eval.
give() {
    printf "export %s='%s'\n" "$1" "$(printf %s "$2" | sed "s/'/'\\\\''/g")"
}

has_target() {
    sysroot=$(rustc --print sysroot 2>/dev/null) && [ -d "$sysroot/lib/rustlib/$target/lib" ]
}

from_rustup() {
    if ! has_target; then
        command -v rustup >/dev/null 2>&1 || return 1
        # rustup waits very long for a server that does not answer: wait two minutes, which are enough
        # for a slow line, and once only. Not every system has `timeout`.
        failed=$folder/rustup-did-not-answer
        if [ -e "$failed" ] && [ "$wanted" != rustup ]; then return 1; fi
        say "adding the target $target with rustup"
        limit=$(command -v timeout || true)
        if ! ${limit:+"$limit" 120} rustup target add "$target" >&2 || ! has_target; then
            mkdir -p "$folder"
            : >"$failed"
            say "rustup could not add it; remembered in $failed (remove that file to try again)"
            return 1
        fi
    fi
    give CORDON_WASM_TOOLCHAIN_USED rustup
    give CORDON_WASM_CARGO_ARGS ""
    # Where the component rust-src is installed, rustc says its folder instead of the name below.
    commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
    give CORDON_WASM_SOURCES "$sysroot/lib/rustlib/src/rust"
    give CORDON_WASM_SOURCES_NAME "/rustc/$commit"
}

# The package of the standard library has the version in its name: ask which one it is now.
debian_packages() {
    std=$(apt-cache depends libstd-rust-web-dev 2>/dev/null |
        sed -n 's/^ *Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p' | head -n 1)
    [ -n "$std" ] || return 1
    llvm=$(apt-cache depends "$std" | sed -n 's/^ *Depends: \(libllvm[0-9]*\)$/\1/p' | head -n 1)
    [ -n "$llvm" ] || return 1
    echo "rustc-web libstd-rust-web-dev $std rust-web-src $llvm"
    # What LLVM needs and this machine does not have.
    for package in $(apt-cache depends "$llvm" | sed -n 's/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p'); do
        dpkg -s "$package" >/dev/null 2>&1 || echo "$package"
    done
}

unpack_debian() {
    for tool in apt-get apt-cache dpkg cargo; do
        command -v $tool >/dev/null 2>&1 || { say "no $tool here"; return 1; }
    done
    packages=$(debian_packages) || {
        say "the package lists do not know rustc-web; running apt-get update"
        apt-get update -qq >&2 || true
        packages=$(debian_packages) || return 1
    }
    # One folder while it is being filled, renamed when it is whole.
    rm -rf "$folder/debian" "$folder/filling"
    mkdir -p "$folder/filling/packages"
    say "fetching" $packages
    # shellcheck disable=SC2086 # a list of words
    fetch() { (cd "$folder/filling/packages" && apt-get download -qq $packages >&2); }
    fetch || { apt-get update -qq >&2 && fetch; } || return 1
    for package in "$folder"/filling/packages/*.deb; do
        dpkg -x "$package" "$folder/filling" || return 1
    done
    rm -rf "$folder/filling/packages"
    printf '%s\n' "$packages" >"$folder/filling/stamp"
    mv "$folder/filling" "$folder/debian"
}

# The wasm linker: rustup's toolchain carries one; Debian has it in the package lld.
find_linker() {
    sysroot=$(rustc --print sysroot 2>/dev/null || echo /nonexistent)
    for linker in "$sysroot"/lib/rustlib/*/bin/rust-lld "$(command -v rust-lld || true)" \
        "$(command -v wasm-ld || true)" /usr/bin/wasm-ld-*; do
        [ -x "$linker" ] && echo "$linker" && return 0
    done
    say "no wasm linker: install Debian's package lld"
    return 1
}

from_debian() {
    linker=$(find_linker) || return 1
    if [ ! -e "$folder/debian/stamp" ]; then unpack_debian || return 1; fi
    unpacked=$folder/debian
    wrapper=$folder/rustc
    libraries=$(ls -d "$unpacked"/usr/lib/*-linux-gnu) || return 1
    # Written anew each time: the checkout may have been moved.
    cat >"$wrapper" <<EOF
#!/bin/sh
LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec '$unpacked/usr/bin/rustc' "\$@"
EOF
    chmod +x "$wrapper"
    "$wrapper" --version >/dev/null || { say "the unpacked rustc does not start"; return 1; }
    give CORDON_WASM_TOOLCHAIN_USED debian
    give CORDON_WASM_CARGO_ARGS "-Zbuild-std=std,panic_abort"
    give CORDON_WASM_SOURCES "$unpacked"
    give CORDON_WASM_SOURCES_NAME /rust
    give RUSTC "$wrapper"
    give RUSTC_BOOTSTRAP 1
    give CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER "$linker"
}

case $wanted in
any) from_rustup || from_debian ;;
rustup) from_rustup ;;
debian) from_debian ;;
*) say "CORDON_WASM_TOOLCHAIN is rustup or debian, not $wanted"; exit 2 ;;
esac || {
    say "nothing here builds for $target. Either let rustup reach its server and run"
    say "  rustup target add $target"
    say "or, on Debian 12, let apt-get reach a mirror with the security suite, and run this again."
    exit 1
}
