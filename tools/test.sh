# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # sourced by ./dev: names are shared with it
#
# The parts of ./dev test. Each is a function part_NAME that prints its findings and calls
# `result` once, or fails before it does; in its name dashes and dots are underscores.

test_parts=(format layers unit asan e2e e2e-acme e2e-asan e2e-tsan e2e-5.19 vm fuzz)

# Parts of others: these are run by name.
test_long_parts=(vm-6.1 vm-6.12 vm-6.14)

fuzz_seconds=60
fuzz_at_once=2

total_passed=0
total_failed=0
total_skipped=0

# test_run [NAME...]: the named parts, or all; the last line is the sum.
test_run() {
    local name parts=("$@") started
    ((${#parts[@]})) || parts=("${test_parts[@]}")
    for name in "${parts[@]}"; do
        [[ " ${test_parts[*]} ${test_long_parts[*]} " == *" $name "* ]] ||
            die "no test $name; there are: ${test_parts[*]} ${test_long_parts[*]}"
    done
    cd "$top" || return
    for name in "${parts[@]}"; do
        say "test $name"
        started=$SECONDS
        part=$name
        "part_${name//[-.]/_}" || result 0 1
        say "test $name took $((SECONDS - started)) s"
    done
    summary "$total_passed" "$total_failed" "$total_skipped"
    ((total_failed == 0))
}

# result PASSED FAILED [SKIPPED]: counts of the part that is running.
result() {
    printf '[dev] test %s: %s\n' "$part" "$(summary "$1" "$2" "${3:-0}")" >&2
    total_passed=$((total_passed + $1))
    total_failed=$((total_failed + $2))
    total_skipped=$((total_skipped + ${3:-0}))
}

summary() {
    if (($3)); then
        echo "$1 passed, $2 failed, $3 skipped"
    else
        echo "$1 passed, $2 failed"
    fi
}

# Takes the counts from the last line of what tools/count prints; shows the rest.
result_counted() {
    local report passed failed skipped
    report=$("$top/tools/count" "$@")
    [[ $report == *$'\n'* ]] && printf '%s\n' "${report%$'\n'*}"
    read -r passed failed skipped <<<"${report##*$'\n'}"
    result "$passed" "$failed" "$skipped"
}

# --- the text of the code ---------------------------------------------------------------------

part_format() {
    local sources scripts bad=() log=$deps/log/format.log
    mapfile -t sources < <(git ls-files '*.c' '*.h')
    mapfile -t scripts < <(git ls-files dev .ci/run '*.sh')
    : >"$log"
    ((${#sources[@]} == 0)) || clang-format --dry-run --Werror "${sources[@]}" 2>>"$log" || true
    shellcheck --external-sources --format=gcc "${scripts[@]}" >>"$log" || true
    # One line for each file, its first finding.
    mapfile -t bad < <(grep -E '^[^ :]+:[0-9]+:' "$log" | sort -t : -k 1,1 -u)
    ((${#bad[@]} == 0)) || printf '%s\n' "${bad[@]}"
    result $((${#sources[@]} + ${#scripts[@]} - ${#bad[@]})) ${#bad[@]}
}

part_layers() {
    local report passed failed
    report=$(tests/layers || true)
    read -r passed _ failed _ <<<"${report##*$'\n'}"
    [[ $report == *$'\n'* ]] && printf '%s\n' "${report%$'\n'*}"
    result "$passed" "$failed"
}

# --- units ------------------------------------------------------------------------------------

# Both compilers must be content; gcc's build runs.
part_unit() {
    build_variant clang || return
    unit_run gcc
}

part_asan() {
    unit_run asan
}

unit_run() {
    local folder=build-test/$1
    build_variant "$1" || return
    rm -f "$folder"/tests/*.tap
    logged_quiet "unit-$1" sanitizer_env meson test -C "$folder" --no-rebuild \
        --num-processes "$jobs" || true
    result_counted meson "$folder"
}

# --- the program, from outside ----------------------------------------------------------------

part_e2e() {
    build_release || return
    e2e_run build/ringway tests/e2e --ignore-glob='*/test_acme*'
}

part_e2e_acme() {
    build_release || return
    e2e_run build/ringway tests/e2e/test_acme*.py
}

part_e2e_asan() {
    build_variant asan || return
    e2e_run build-test/asan/ringway tests/e2e
}

part_e2e_tsan() {
    build_variant tsan || return
    e2e_run build-test/tsan/ringway tests/e2e -m tsan
}

# The program forgets what kernels after 5.19 brought. Of ACME, which knows little of them, it is
# enough that it works.
part_e2e_5_19() {
    build_release || return
    RINGWAY_KERNEL=5.19 e2e_run build/ringway tests/e2e --ignore-glob='*/test_acme_*'
}

# e2e_run PROGRAM PYTEST_ARGUMENT... Tests mostly wait: one more at a time than there are cores.
e2e_run() {
    local program=$top/$1 junit=$deps/log/$part.xml
    shift
    packages_install bench
    npm_peers_install && peers_test_unpack && peers_unpack || return
    rm -f "$junit"
    RINGWAY=$program logged_quiet "$part" sanitizer_env /usr/bin/python3 -m pytest \
        --quiet --junitxml="$junit" -p no:cacheprovider --numprocesses $((jobs + 1)) "$@" || true
    [[ -e $junit ]] || last_lines "$deps/log/$part.log" 30
    result_counted pytest "$junit"
}

# --- kernel TLS, in virtual machines ----------------------------------------------------------

part_vm() {
    vm_test "${vm_kernels[@]}"
}

part_vm_6_1() {
    vm_test 6.1
}

part_vm_6_12() {
    vm_test 6.12
}

part_vm_6_14() {
    vm_test 6.14
}

# What tests/vm/run is to run with each kernel: about the same time for each.
declare -A vm_subjects=([6.1]="kernel splice" [6.12]="kernel once splice-tls"
    [6.14]="updates splice-tls e2e")
# What is left to the first where its own kernel cannot be had.
vm_subjects_single=(once e2e)

# vm_test KERNEL...: one virtual machine with each kernel, all at the same time.
vm_test() {
    local kernel subject wanted=$part guests=()
    if [[ $(uname -m) != x86_64 ]]; then
        say "there are virtual machines for x86-64 only: skipped"
        result 0 0 1
        return
    fi
    packages_install vm guest
    build_release || return
    for kernel; do
        if vm_prepare "$kernel"; then
            guests+=("$kernel")
        elif [[ ${vm_suites[$kernel]} == system ]]; then
            return 1
        else
            say "kernel $kernel cannot be had from ${vm_suites[$kernel]}: its tests are skipped"
            result 0 0 1
            for subject in "${vm_subjects_single[@]}"; do
                [[ ${vm_subjects[$kernel]} != *$subject* ]] || vm_subjects[6.1]+=" $subject"
            done
        fi
    done
    for kernel in "${guests[@]}"; do
        # shellcheck disable=SC2086 # subjects are several words
        vm_run "$kernel" "$deps/log/vm-$kernel" tests/vm/run ${vm_subjects[$kernel]} &
    done
    wait
    for kernel in "${guests[@]}"; do
        part=vm-$kernel
        vm_count "$kernel"
    done
    part=$wanted
}

vm_count() {
    local out=$deps/log/vm-$1 subject
    for subject in ${vm_subjects[$1]}; do
        [[ -e $out/$subject.xml ]] || last_lines "$out/console.log" 30
        result_counted pytest "$out/$subject.xml"
    done
}

# Sanitizers end the program at the first finding, with a status no test expects.
sanitizer_env() {
    ASAN_OPTIONS=exitcode=99:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:exitcode=99 \
        TSAN_OPTIONS=exitcode=99:halt_on_error=1 \
        ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer) "$@"
}

# Test peers from npm, in exactly the versions tests/e2e/package.json gives.
npm_peers_install() {
    local folder=$top/tests/e2e
    [[ -e $folder/package.json ]] || return 0
    cmp --silent "$folder/package.json" "$folder/node_modules/.installed.json" && return
    say "installing Node test peers (npm)"
    logged npm npm install --prefix "$folder" --no-package-lock --no-audit --no-fund || return
    cp "$folder/package.json" "$folder/node_modules/.installed.json"
}

# --- fuzzing ----------------------------------------------------------------------------------

part_fuzz() {
    fuzz_run "$fuzz_seconds"
}

# fuzz_run SECONDS [TARGET]: one libFuzzer run for each target, two at a time. What it finds new
# goes to build-test/fuzz/corpus; the committed one, tests/fuzz/corpus/TARGET, is only read.
fuzz_run() {
    local seconds=$1 targets target failed=0 log
    mapfile -t targets < <(cd tests/fuzz && compgen -G "${2:-fuzz_*}.c" | sed 's/\.c$//' | sort)
    ((${#targets[@]})) || {
        say "no fuzz target ${2:-} in tests/fuzz"
        return 1
    }
    build_variant fuzz || return
    export -f fuzz_one
    printf '%s\n' "${targets[@]}" | xargs -P "$fuzz_at_once" -I TARGET \
        bash -c 'fuzz_one "$@"' _ "$top" "$deps/log" "$seconds" TARGET || true
    for target in "${targets[@]}"; do
        log=$deps/log/fuzz-$target.log
        if [[ $(tail -n 1 "$log") == "exit 0" ]]; then
            say "fuzz $target: $(grep -E '^Done' "$log" || true)"
        else
            failed=$((failed + 1))
            echo "FAILED fuzz $target ($log)"
            last_lines "$log" 40
        fi
    done
    result $((${#targets[@]} - failed)) "$failed"
}

# Runs in a shell of its own, below xargs.
fuzz_one() {
    local top=$1 log=$2/fuzz-$4.log seconds=$3 target=$4
    local folder=$top/build-test/fuzz committed=$top/tests/fuzz/corpus/$4
    mkdir -p "$folder/corpus/$target"
    [[ -d $committed ]] || committed=
    "$folder/tests/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$folder/$target-" \
        "$folder/corpus/$target" ${committed:+"$committed"} >"$log" 2>&1
    echo "exit $?" >>"$log"
}
