# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by ./dev: names are shared with it
#
# Debian packages, in groups, so that a demo installs a compiler and not a browser.
#
# Sourced by ./dev. Nothing here edits the system's apt sources, and no service is ever started:
# what would start one (the bench peers) is unpacked below .deps instead of being installed.

# What builds ringway. check builds the unit tests, so it is not here.
packages_build=(gcc libc6-dev make meson ninja-build pkgconf autoconf automake libtool
    libyaml-dev scdoc uthash-dev)

# What tests it: a second compiler, its sanitizers and tools, and peers we did not write.
packages_test=(git clang clang-format libclang-rt-14-dev llvm universal-ctags shellcheck check
    python3 python3-pytest python3-pytest-timeout python3-websockets python3-yaml
    curl openssl procps chromium jupyter-server python3-ipykernel)

# What measures it. The two servers are unpacked, their libraries installed.
packages_bench=(python3 procps libpcre2-8-0 libssl3 libcrypt1 zlib1g liblua5.3-0 libsystemd0)
peers_bench=(nginx libnginx-mod-stream haproxy)

# packages_install GROUP...: installs what is missing of the groups `build`, `test`, `bench`.
packages_install() {
    local group missing=() wanted=()
    for group; do
        local -n group_packages="packages_$group"
        wanted+=("${group_packages[@]}")
        [[ $group == build ]] && wanted+=("$(llhttp_package)")
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

# Debian 12 has llhttp's C sources in node-llhttp; later releases have the library itself.
llhttp_package() {
    if [[ -e /usr/share/llhttp/llhttp.c ]]; then
        echo node-llhttp
    elif apt-cache show libllhttp-dev >/dev/null 2>&1; then
        echo libllhttp-dev
    else
        echo node-llhttp
    fi
}

# peers_unpack: the servers ringway is measured against, unpacked below .deps/peers.
peers_unpack() {
    local peers=$deps/peers
    [[ -e $peers/.complete ]] && return
    say "unpacking ${peers_bench[*]} to .deps/peers (not installed: no service starts)"
    mkdir -p "$peers/deb"
    packages_have_lists || logged apt-update as_root apt-get update
    (cd "$peers/deb" && logged apt-peers apt-get download "${peers_bench[@]}")
    local package
    for package in "$peers"/deb/*.deb; do
        dpkg-deb --extract "$package" "$peers"
    done
    rm -r "$peers/deb"
    touch "$peers/.complete"
}
