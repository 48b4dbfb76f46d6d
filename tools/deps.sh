# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by ./dev: names are shared with it
#
# Third-party libraries that Debian 12 lacks, built once into .deps: wolfSSL with assembly, a
# liburing that knows today's kernels, llhttp from its packaged C sources.
#
# Sourced by ./dev. meson.build finds the results by pkg-config (.deps/lib/pkgconfig comes first on
# its path), so a distribution that packages good versions needs nothing of this.
#
# Sources are Debian's own source packages, newest suite first, fetched by a private apt: its own
# list of sources, state and cache below .deps/apt; only the mirror's address comes from the system.

suites=(sid trixie bookworm)

# MAX_SUITE_SZ: scanners offer every cipher suite there is (344 bytes); the default refuses over 300.
wolfssl_min=5.5.4
wolfssl_cflags='-O3 -fstack-protector-strong -DHAVE_SECRET_CALLBACK -DWOLFSSL_CERT_SETUP_CB
    -DWOLFSSL_ALT_NAMES -DWOLFSSL_CUSTOM_OID -DHAVE_OID_ENCODING -DWOLFSSL_IP_ALT_NAME
    -DWOLFSSL_MAX_SUITE_SZ=1024'
wolfssl_options=(--enable-static --disable-shared --with-pic
    --disable-examples --disable-crypttests --disable-oldtls --disable-dh
    --enable-intelasm --enable-sp --enable-sp-asm --enable-sp-math-all
    --enable-tls13 --enable-aesgcm --enable-chacha --enable-poly1305 --enable-hkdf
    --enable-curve25519 --enable-ed25519 --enable-sni --enable-alpn --enable-session-ticket
    --enable-atomicuser --enable-crl --enable-certgen --enable-certreq --enable-certext
    --enable-keygen)

liburing_min=2.6

# deps_install: everything meson will ask for, built or found.
deps_install() {
    mkdir -p "$deps/lib/pkgconfig" "$deps/include" "$deps/src" "$deps/stamp"
    export PKG_CONFIG_PATH=$deps/lib/pkgconfig
    llhttp_install
    liburing_install
    wolfssl_install
    rm -rf "$deps/apt" "$deps/src"
}

# --- wolfSSL ----------------------------------------------------------------------------------

wolfssl_install() {
    local recipe="$wolfssl_cflags ${wolfssl_options[*]}" packaged=$deps/stamp/wolfssl-packaged
    stamp_is_current wolfssl "$recipe" && return
    if [[ -e $packaged ]]; then
        say "WARNING: on the packaged wolfSSL, which is slow; to try a build again: rm $packaged"
    elif from_source wolfssl "$wolfssl_min" wolfssl_build; then
        stamp_write wolfssl "$recipe"
    else
        wolfssl_use_packaged
        touch "$packaged"
    fi
}

# $1: source folder. AVX2, BMI2 and AES-NI are chosen at run time, so the result runs anywhere.
wolfssl_build() {
    cd "$1" || return
    local options=("${wolfssl_options[@]}")
    [[ $(uname -m) == x86_64 ]] || options=("${options[@]/--enable-intelasm/--enable-armasm}")
    [[ -x configure ]] || ./autogen.sh || return
    ./configure --quiet --prefix="$deps" --libdir="$deps/lib" CFLAGS="${wolfssl_cflags//$'\n'/}" \
        "${options[@]}" || return
    make --quiet -j"$jobs" && make --quiet install
}

wolfssl_use_packaged() {
    say "WARNING: no wolfSSL could be built from source: $(last_lines "$deps/log/wolfssl.log" 1)"
    say "WARNING: falling back to the packaged library, which has no assembly:" \
        "AES-GCM is 30 times slower and a full handshake costs 2.4 times as much CPU"
    packages_wolfssl=(libwolfssl-dev)
    packages_install wolfssl
    builds_forget
}

# --- liburing ---------------------------------------------------------------------------------

liburing_install() {
    pkg-config --exists "liburing >= $liburing_min" && return
    from_source liburing "$liburing_min" liburing_build || logged_failure liburing
}

liburing_build() {
    cd "$1" || return
    ./configure --prefix="$deps" --libdir="$deps/lib" --libdevdir="$deps/lib" || return
    make --quiet -j"$jobs" -C src ENABLE_SHARED=0 && make --quiet install ENABLE_SHARED=0
}

# --- llhttp -----------------------------------------------------------------------------------

# Later releases than Debian 12 have the library itself. Debian 12 has its C sources in a package
# for Node.js, which is only unpacked: installing it would bring all of Node.js.
llhttp_install() {
    pkg-config --exists libllhttp && return
    if apt-cache show libllhttp-dev >/dev/null 2>&1; then
        packages_llhttp=(libllhttp-dev)
        packages_install llhttp
    else
        say "llhttp: compiling the C sources in the package node-llhttp"
        packages_unpack "$deps/src/node-llhttp" node-llhttp
        logged llhttp llhttp_build "$deps/src/node-llhttp/usr/share"
    fi
}

# $1: the folder that holds llhttp/*.c and include/llhttp/llhttp.h.
llhttp_build() {
    local share=$1 header=$1/include/llhttp/llhttp.h objects=$deps/src/llhttp version unit
    version=$(awk '/#define LLHTTP_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' "$header")
    mkdir -p "$objects"
    for unit in api http llhttp; do
        gcc -O2 -g -fPIC -fstack-protector-strong -DLLHTTP_STRICT_MODE=1 \
            -I"${header%/*}" -c "$share/llhttp/$unit.c" -o "$objects/$unit.o" || return
    done
    ar rcs "$deps/lib/libllhttp.a" "$objects"/*.o && cp "$header" "$deps/include/" || return
    cat >"$deps/lib/pkgconfig/libllhttp.pc" <<PC
Name: libllhttp
Description: HTTP/1 parser, strict mode
Version: $version
Cflags: -I$deps/include -DLLHTTP_STRICT_MODE=1
Libs: -L$deps/lib -lllhttp
PC
}

# --- source packages --------------------------------------------------------------------------

# from_source NAME MIN BUILD: fetches NAME's newest source that is at least MIN, and calls
# BUILD with its folder; a suite whose source cannot be had or built gives way to the next.
from_source() {
    local name=$1 min=$2 build=$3 suite log=$deps/log/$1.log
    mkdir -p "$deps/log"
    : >"$log"
    for suite in "${suites[@]}"; do
        say "$name: fetching the source package of $suite"
        (source_fetch "$name" "$suite" "$min") >>"$log" 2>&1 || continue
        say "$name: building $(source_version "$name"), output in .deps/log/$name.log"
        if ("$build" "$deps/src/$name") >>"$log" 2>&1; then
            builds_forget
            return
        fi
        say "$name: that did not build ($(last_lines "$log" 1))"
    done
    return 1
}

# What was built with the former headers and libraries is out of date.
builds_forget() {
    rm -rf "$top/build" "$top/build-test"
}

# Leaves the unpacked source in .deps/src/NAME, its version beside it.
source_fetch() {
    local name=$1 suite=$2 min=$3 fetched=$deps/src/fetch tarball version
    apt_private_setup "$suite" || return
    rm -rf "$fetched" "${deps:?}/src/$name"
    mkdir -p "$fetched" "$deps/src/$name"
    # --tar-only: the upstream tarball is all we want, and it outlives its Debian revisions.
    (cd "$fetched" && apt_private "$suite" apt-get source --tar-only "$name/$suite") || return
    tarball=$(compgen -G "$fetched/${name}_*.orig.tar.*" | grep -v '\.asc$' | head -n 1)
    [[ -n $tarball ]] || return
    version=${tarball##*/"${name}"_}
    version=${version%.orig.tar.*}
    dpkg --compare-versions "$version" ge "$min" || {
        echo "$suite has $name $version, at least $min is wanted"
        return 1
    }
    tar -xf "$tarball" -C "$deps/src/$name" --strip-components=1 || return
    echo "$version" >"$deps/src/$name.version"
}

source_version() {
    cat "$deps/src/$1.version"
}

# apt_private SUITE COMMAND...: runs an apt command that knows only SUITE's sources.
apt_private() {
    local suite=$1
    shift
    APT_CONFIG=$deps/apt/$suite/apt.conf "$@"
}

# apt_private_setup SUITE [TYPE]: TYPE is what to know of it, deb-src or deb.
apt_private_setup() {
    local suite=$1 type=${2:-deb-src} dir=$deps/apt/$1 uri keyring
    [[ -e $dir/.complete ]] && return
    read -r uri keyring < <(apt_mirror) || {
        echo "no mirror found in the system's apt sources"
        return 1
    }
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "$type${keyring:+ [signed-by=$keyring]} $uri $suite main" >"$dir/sources.list"
    cat >"$dir/apt.conf" <<CONF
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "";
CONF
    apt_private "$suite" apt-get update --error-on=any || return
    touch "$dir/.complete"
}

# Prints "URI KEYRING" of the mirror that the system takes its release from. apt itself reads its
# sources, so every format it knows will do.
apt_mirror() {
    local codename uri keyring standard=/usr/share/keyrings/debian-archive-keyring.gpg
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt expands these
    IFS='|' read -r uri keyring < <(
        apt-get indextargets --format '$(REPO_URI)|$(SIGNED_BY)|$(RELEASE)|$(COMPONENT)' \
            'Created-By: Packages' | grep "|$codename|main\$")
    [[ -n ${uri:-} ]] || return
    keyring=${keyring%%|*}
    [[ -e $keyring ]] || keyring=$standard
    [[ -e $keyring ]] || keyring=
    echo "$uri $keyring"
}

# --- stamps -----------------------------------------------------------------------------------

stamp_is_current() {
    [[ -e $deps/stamp/$1 && $(<"$deps/stamp/$1") == "$2" ]]
}

stamp_write() {
    printf '%s\n' "$2" >"$deps/stamp/$1"
}
