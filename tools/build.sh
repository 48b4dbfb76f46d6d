# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # sourced by ./dev: names are shared with it
#
# Builds: build/ is what users run, build-test/NAME holds the variants that only tests run.

# build_release: leaves build/ringway and build/ringway-bench.
build_release() {
    build_setup build || return
    build_ninja build
}

# build_variant NAME: one of the builds for tests.
build_variant() {
    local name=$1 folder=build-test/$1 compiler=clang options
    case $name in
    gcc) options=(-Dwerror=true) compiler=gcc ;;
    clang) options=(-Dwerror=true) ;;
    asan) options=("-Db_sanitize=address,undefined" -Db_lundef=false) ;;
    tsan) options=(-Db_sanitize=thread -Db_lundef=false) ;;
    fuzz) options=("-Db_sanitize=address,undefined" -Db_lundef=false -Dfuzz=true) ;;
    *) die "no build variant $name" ;;
    esac
    CC=$compiler build_setup "$folder" "${options[@]}" || return
    build_ninja "$folder"
}

# build_setup FOLDER [MESON_OPTION...]
build_setup() {
    local folder=$1 reconfigure=()
    shift
    if [[ -e $top/$folder/build.ninja ]]; then
        # Tests are found by name, so their builds are configured again each time.
        [[ $folder != build ]] || return 0
        reconfigure=(--reconfigure)
    fi
    say "configuring $folder"
    logged "configure-${folder//\//-}" meson setup "${reconfigure[@]}" \
        --pkg-config-path "$deps/lib/pkgconfig" "$@" "$top/$folder" "$top"
}

build_ninja() {
    local folder=$1
    # A build with nothing to do says nothing.
    [[ $(ninja -C "$top/$folder" -n 2>/dev/null | tail -n 1) != *"no work to do"* ]] || return 0
    say "building $folder"
    logged "build-${folder//\//-}" ninja -C "$top/$folder" -j"$jobs"
}
