# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # sourced by ./dev: names are shared with it
#
# Builds: build/ is what users run, build-test/NAME holds the variants that only tests run.

# build_release: leaves build/ringway and build/ringway-bench.
build_release() {
    build_setup build
    build_ninja build
}

# build_variant NAME: one of the builds for tests; MESON_ARGS of a variant are below.
build_variant() {
    local name=$1
    local folder=build-test/$name
    case $name in
    gcc) CC=gcc build_setup "$folder" -Dwerror=true ;;
    clang) CC=clang build_setup "$folder" -Dwerror=true ;;
    asan) CC=clang build_setup "$folder" -Db_sanitize=address,undefined -Db_lundef=false ;;
    tsan) CC=clang build_setup "$folder" -Db_sanitize=thread -Db_lundef=false ;;
    fuzz) CC=clang build_setup "$folder" -Db_sanitize=address,undefined -Db_lundef=false \
        -Dfuzz=true ;;
    *) die "no build variant $name" ;;
    esac
    build_ninja "$folder"
}

# build_setup FOLDER [MESON_OPTION...]: meson's own record says whether the folder is set up.
build_setup() {
    local folder=$1 reconfigure=()
    shift
    [[ -e $top/$folder/build.ninja ]] && reconfigure=(--reconfigure)
    # A release build knows its sources from meson.build; only tests are found by name, so only
    # their folders are configured again each time.
    ((${#reconfigure[@]})) && [[ $folder == build ]] && return
    say "configuring $folder"
    logged "configure-${folder//\//-}" meson setup "${reconfigure[@]}" \
        --pkg-config-path "$deps/lib/pkgconfig" "$@" "$top/$folder" "$top"
}

build_ninja() {
    local folder=$1
    # A build with nothing to do says nothing.
    [[ $(ninja -C "$top/$folder" -n 2>/dev/null | tail -n 1) == *"no work to do"* ]] && return
    say "building $folder"
    logged "build-${folder//\//-}" ninja -C "$top/$folder" -j"$jobs"
}
