# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by ./dev: names are shared with it
#
# Debian packages, in groups, so that a demo installs a compiler and not a browser.
#
# Sourced by ./dev. Nothing here edits the system's apt sources, and no service is ever started:
# what would start one (the bench peers) is unpacked below .deps instead of being installed.

# What builds ringway. check builds the unit tests, so it is not here.
packages_build=(gcc libc6-dev make meson ninja-build pkgconf autoconf automake libtool
    libyaml-dev libjansson-dev libldns-dev libpsl-dev libmicrohttpd-dev scdoc uthash-dev)

# What tests it: a second compiler, its sanitizers and tools, and peers we did not write.
packages_test=(git clang clang-format libclang-rt-14-dev llvm universal-ctags shellcheck check
    python3 python3-cryptography python3-pytest python3-pytest-timeout python3-pytest-xdist
    python3-websockets python3-yaml curl openssl libssl-dev testssl.sh procps chromium
    jupyter-server python3-ipykernel python3-jsonschema python3-prometheus-client pebble lego uacme
    bind9-dnsutils libfaketime)

# A name server that takes updates; its libraries come with bind9-dnsutils.
peers_test=(bind9 bind9-libs)

# What boots a virtual machine with a kernel that has kernel TLS; the programs packed into it.
packages_vm=(qemu-system-x86 seabios busybox-static cpio kmod xz-utils)
packages_guest=(bash coreutils curl grep iproute2 libcap2-bin libjansson4 libldns3 libmicrohttpd12 libpsl5 libsubunit0 libyaml-0-2 openssl
    procps python3 python3-cffi-backend python3-cryptography python3-pytest python3-pytest-timeout
    python3-websockets python3-yaml sed strace util-linux)

# What measures it. The two servers are unpacked, their libraries installed.
packages_bench=(python3 util-linux iproute2 ethtool openssl gnuplot-nox libcrypt1 liblua5.3-0
    libopentracing-c-wrapper0 libpcre2-8-0 libssl3 libsystemd0 zlib1g)
peers_bench=(nginx libnginx-mod-stream haproxy)

# packages_install GROUP...: installs what is missing of the groups `build`, `test`, `bench`.
packages_install() {
    local group missing=() wanted=()
    for group; do
        local -n group_packages="packages_$group"
        wanted+=("${group_packages[@]}")
        # The machine may have a Node.js of its own, from elsewhere.
        [[ $group == test ]] && ! command -v node >/dev/null && wanted+=(nodejs)
        [[ $group == test ]] && ! command -v npm >/dev/null && wanted+=(npm)
    done
    mapfile -t missing < <(packages_missing "${wanted[@]}")
    ((${#missing[@]} == 0)) && return

    say "installing ${#missing[@]} Debian packages (and what they need): ${missing[*]}"
    if ! packages_have_lists || ! packages_apt_install "${missing[@]}"; then
        logged apt-update as_root apt-get update
        packages_apt_install "${missing[@]}" || logged_failure apt-install
    fi
}

# The packages among the arguments that are not installed, one a line.
packages_missing() {
    local installed
    installed=" $(dpkg-query -W -f='${Package}:${db:Status-Status} ' "$@" 2>/dev/null || true)"
    local package
    for package; do
        [[ $installed == *" $package:installed "* ]] || echo "$package"
    done
}

packages_have_lists() {
    compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

packages_apt_install() {
    logged_quiet apt-install as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "$@"
}

# packages_unpack FOLDER PACKAGE...: their files below FOLDER, without installing them.
packages_unpack() {
    local folder=$1 debs=$1.debs deb
    shift
    mkdir -p "$folder" "$debs"
    packages_have_lists || logged apt-update as_root apt-get update || return
    (cd "$debs" && logged apt-download apt-get download "$@") || return
    for deb in "$debs"/*.deb; do
        dpkg-deb --extract "$deb" "$folder" || return
    done
    rm -r "$debs"
}

# peers_unpack: the servers ringway is measured against, below .deps/peers.
peers_unpack() {
    peers_unpack_to "$deps/peers" "${peers_bench[@]}"
}

# peers_test_unpack: the name server it is tested with, below .deps/peers-test.
peers_test_unpack() {
    peers_unpack_to "$deps/peers-test" "${peers_test[@]}"
}

# peers_unpack_to FOLDER PACKAGE...
peers_unpack_to() {
    local peers=$1
    shift
    [[ -e $peers/.complete ]] && return
    say "unpacking $* to ${peers#"$top"/} (not installed: no service starts)"
    packages_unpack "$peers" "$@"
    touch "$peers/.complete"
}
