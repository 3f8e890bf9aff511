#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz, or those named as arguments, one after the other, each for
# FUZZ_SECONDS (600). What they find grows in target/fuzz/corpus; an input that fails is kept in
# target/fuzz/artifacts and ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
tools=$PWD/target/tools
out=$PWD/target/fuzz
if ! fuzz=$(command -v cargo-fuzz); then
    fuzz=$tools/bin/cargo-fuzz
    if [ ! -x "$fuzz" ]; then
        echo "fuzz: installing cargo-fuzz $version into target/tools (once)"
        # Built elsewhere than in target/release, whose artefacts it would share a lock with.
        cargo install cargo-fuzz --locked --quiet --version "$version" \
            --root "$tools" --target-dir "$tools/build"
        rm -rf "$tools/build"
    fi
fi

# No sanitizer: our code forbids unsafe, and sanitizers need a nightly compiler. What counts edges is a
# flag that stable compilers take too. `cfg(fuzzing)` is off, so that what is fuzzed is what is shipped:
# some dependencies build other code with it.
echo "fuzz: building (about ten minutes of two cores when all is new)"
"$fuzz" fuzz build --fuzz-dir tests/fuzz --sanitizer none --no-cfg-fuzzing --codegen-units 16 \
    --target-dir "$out"
triple=$(rustc -vV | sed -n 's/^host: //p')

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' tests/fuzz/Cargo.toml | grep -vx cordon-fuzz)
fi
mkdir -p "$out/artifacts" "$out/logs"
failed=0
for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target"
    log=$out/logs/$target.log
    # One that compiles for half a minute, or takes gigabytes, has failed.
    "$out/$triple/release/$target" "$out/corpus/$target" "tests/fuzz/corpus/$target" \
        -artifact_prefix="$out/artifacts/$target-" -max_total_time="${FUZZ_SECONDS:-600}" \
        -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 >"$log" 2>&1 || {
        failed=1
        echo "fuzz: $target failed; the input is $(ls -t "$out/artifacts/$target-"* | head -1), the log $log"
    }
    coverage=$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -1 || true)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz: $target runs: ${runs:-0} ${coverage:-no coverage}"
done
if [ $failed -ne 0 ]; then
    echo "fuzz: mend it, then keep the input in tests/fuzz/regressions/<target> with a line in its README" >&2
    exit 1
fi
