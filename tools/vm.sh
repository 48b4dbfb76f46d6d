# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # sourced by ./dev: names are shared with it
#
# Virtual machines with Debian's own kernels, for what this machine's kernel may lack: kernel TLS.
#
# Sourced by ./dev. A guest has no disk: its root is the initramfs, put together from Debian
# packages of this machine (packages_guest, with all they depend on), a kernel's modules, and the
# tree under test. It boots in seconds under software emulation, runs one command and powers off; what the
# command leaves in /out comes back through a serial line as a tar file.
#
# Kernel packages are unpacked below .deps/vm, never installed.

# NAME: SUITE of Debian that the kernel is taken from. `system` is what the machine's sources have;
# 6.14 stands for the newest there is, which can change keys.
declare -A vm_suites=([6.1]=system [6.12]=bookworm-backports [6.14]=trixie-backports)
vm_kernels=(6.1 6.12 6.14)

vm_memory_mb=1536
vm_timeout_s=${VM_TIMEOUT_S:-900}

# vm_prepare KERNEL: gets what a guest is made of. Fails when that cannot be had.
vm_prepare() {
    vm_base_install && vm_kernel_install "$1"
}

# vm_run KERNEL OUT COMMAND...: boots what was prepared and runs a command in the guest's copy of
# the tree. Leaves its files in OUT, with the console in OUT/console.log; returns its exit code, or
# 124 when it takes longer than vm_timeout_s, start and end of the guest included.
#
# One processor: with two the same tests cost a fifth more time of ours, and now and then one runs code
# that the other is patching (a panic at boot, "Oops: int3"). Without cx16: the emulation of cmpxchg16b
# damages the flags now and then, and newer kernels' allocators use it.
vm_run() {
    local kernel=$1 out=$2 folder=$deps/vm/$1 image=$deps/vm/image-$1
    shift 2
    rm -rf "$out"
    mkdir -p "$out"
    {
        cat "$deps/vm/base.cpio" "$folder/modules.cpio"
        vm_tree_pack "$deps/vm/stage-$kernel" "$@"
    } >"$image"
    timeout --foreground "$vm_timeout_s" qemu-system-x86_64 \
        -accel tcg -cpu max,-cx16 -smp 1 -m "$vm_memory_mb" "${vm_options[@]}" \
        -nodefaults -no-user-config -no-reboot -display none \
        -serial "file:$out/console.log" -serial "file:$out/out.tar.gz" \
        -kernel "$folder/vmlinuz" -initrd "$image" \
        -append "console=ttyS0 quiet panic=-1 rdinit=/init patience_s=$((vm_timeout_s - 60))" \
        </dev/null || {
        rm -f "$image"
        say "the guest did not end; its console is in $out/console.log"
        return 124
    }
    rm -f "$image"
    if ! tar -xzf "$out/out.tar.gz" -C "$out"; then
        say "the guest died; its console is in $out/console.log"
        return 125
    fi
    rm "$out/out.tar.gz"
    return "$(<"$out/exit-code")"
}

# More arguments for qemu, as `-icount shift=0`; later ones win.
read -ra vm_options <<<"${VM_OPTIONS:-}"

# --- what is in the guest ---------------------------------------------------------------------

# Debian's files, once: their packages' file lists say which. Merged /usr, as in Debian.
vm_base_install() {
    local recipe root=$deps/vm/base folder
    recipe="${packages_guest[*]} $(declare -f vm_base_install vm_package_files vm_file_and_bytecode)"
    [[ -e $deps/vm/base.cpio ]] && stamp_is_current vm-base "$recipe" && return
    say "packing the programs for virtual machines"
    rm -rf "$root"
    mkdir -p "$root"/{dev,proc,sys,tmp,run,out,root,etc/ssl,usr/bin,usr/sbin,usr/lib,usr/lib64}
    for folder in bin sbin lib lib64; do
        ln -s "usr/$folder" "$root/$folder"
    done
    echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
    vm_package_files >"$deps/vm/files" || true # packages that others stand in for are not listed
    grep -qx usr/bin/python3 "$deps/vm/files" || return
    (cd "$root" && find . -mindepth 1 | vm_pack) >"$deps/vm/skeleton.cpio" || return
    (cd / && vm_pack) <"$deps/vm/files" >"$deps/vm/files.cpio" || return
    cat "$deps/vm/skeleton.cpio" "$deps/vm/files.cpio" >"$deps/vm/base.cpio"
    rm -rf "$root" "$deps/vm/files" "$deps/vm"/{skeleton,files}.cpio
    stamp_write vm-base "$recipe"
}

# Paths below /usr, relative to /, of the programs' packages, without what only people read.
# shellcheck disable=SC2016 # dpkg-query expands these
vm_package_files() {
    apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances "${packages_guest[@]}" | grep -E '^[a-z0-9]' |
        xargs dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' 2>/dev/null |
        awk '$2 == "installed" { print $1 }' | sort -u |
        grep -vE '^(debconf|dpkg|gcc-.*-base|perl-base|usrmerge)$' | xargs dpkg -L |
        sed -E 's#^/(bin|sbin|lib|lib64)/#/usr/\1/#; s#^/##' |
        grep -E '^(usr/(s?bin|lib|lib64|share/python3?)|etc/ssl)/' |
        grep -vE '/(doc|man|locale|i18n|gconv|test|tests|idlelib|lib2to3)/|ensurepip' |
        while read -r path; do vm_file_and_bytecode "$path"; done | sort -u
}

# Prints the path if it is there, and that of its bytecode, which packages do not list.
vm_file_and_bytecode() {
    local path=$1 cached
    [[ -e /$path || -L /$path ]] || return 0
    echo "$path"
    [[ $path == *.py ]] || return 0
    cached=${path%/*}/__pycache__/${path##*/}
    (cd / && compgen -G "${cached%.py}.cpython-*.pyc" && echo "${cached%/*}") || true
}

vm_pack() {
    cpio --quiet --create --format=newc --reset-access-time
}

# vm_tree_pack STAGE COMMAND...: the tree, the command, and the first program of the guest, put
# together in the folder STAGE.
vm_tree_pack() {
    local stage=$1
    shift
    rm -rf "$stage"
    mkdir -p "$stage/ringway/build" "$stage/usr/bin"
    cp /bin/busybox "$stage/usr/bin/busybox"
    cp "$top/tests/vm/init" "$stage/init"
    printf '%q ' "$@" >"$stage/command"
    cp "${RINGWAY:-$top/build/ringway}" "$stage/ringway/build/ringway"
    cp "$top/build/ringway-bench" "$stage/ringway/build/"
    tar -C "$top" -c --exclude=node_modules --exclude=fuzz --exclude=__pycache__ tests bench |
        tar -C "$stage/ringway" -x
    vm_extras_copy "$stage/ringway/build"
    vm_libraries_copy "$stage"
    (cd "$stage" && find . -mindepth 1 | vm_pack)
    rm -rf "$stage"
}

# Unit tests that want the guest's kernel, and the server to be measured with, where they are there.
vm_extras_copy() {
    local test=$top/build/tests/tls_test_kernel nginx=$deps/peers/usr/sbin/nginx
    mkdir -p "$1/tests" "$1/peers"
    [[ ! -e $test ]] || cp "$test" "$1/tests/"
    [[ ! -e $nginx ]] || cp "$nginx" "$1/peers/"
}

# The shared libraries of our programs in the folder STAGE: the packages of the guest need not follow
# what ringway is linked with.
vm_libraries_copy() {
    local library target
    find "$1/ringway/build" -type f -exec ldd {} + 2>/dev/null |
        awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
        while read -r library; do
            target=$1/usr/lib/${library#*/lib/}
            mkdir -p "${target%/*}" && cp --dereference "$library" "$target"
        done
}

# --- kernels ----------------------------------------------------------------------------------

vm_kernel_install() {
    local kernel=$1 folder=$deps/vm/$1 image root release
    [[ -e $folder/.complete ]] && return
    rm -rf "$folder"
    mkdir -p "$folder"
    say "kernel $kernel for virtual machines: fetching Debian's cloud image"
    logged_quiet "vm-kernel-$kernel" vm_kernel_unpack "$kernel" "$folder/root" || return
    root=$folder/root
    image=$(find "$root" -name 'vmlinuz*' -type f | head -n 1)
    release=$(find "$root" -type d -path '*/lib/modules/*' -name kernel | head -n 1)
    release=$(basename "$(dirname "$release")")
    cp "$image" "$folder/vmlinuz" && vm_modules_pack "$root" "$release" "$folder" || return
    rm -rf "$root"
    echo "$release" >"$folder/.complete"
}

# Newer suites split the kernel over several packages that the image depends on.
vm_kernel_unpack() {
    local suite=${vm_suites[$1]} root=$2 image part
    [[ $suite == system ]] || apt_private_setup "$suite" deb || return
    image=$(vm_apt "$suite" apt-cache depends linux-image-cloud-amd64 |
        awk '/Depends: linux-image-/ { print $2; exit }')
    [[ -n $image ]] || return
    local packages=("$image")
    for part in "${image/image/binary}" "${image/image/modules}"; do
        if vm_apt "$suite" apt-cache show "$part" >/dev/null 2>&1; then
            packages+=("$part")
        fi
    done
    vm_apt "$suite" packages_unpack "$root" "${packages[@]}"
}

# Runs a command that uses apt, with one suite's packages.
vm_apt() {
    local suite=$1
    shift
    if [[ $suite == system ]]; then
        "$@"
    else
        apt_private "$suite" "$@"
    fi
}

# What kernel TLS is made of, and the devices tests use. Uncompressed: any modprobe can load them.
vm_modules_pack() {
    local root=$1 release=$2 folder=$3 from stage=$3/stage part
    from=$(dirname "$(find "$root" -type d -path "*/$release/kernel" | head -n 1)")
    mkdir -p "$stage/usr/lib/modules/$release"
    for part in kernel/crypto kernel/arch/x86/crypto kernel/lib kernel/net/tls \
        kernel/drivers/net/veth.ko kernel/drivers/net/veth.ko.xz; do
        [[ ! -e $from/$part ]] ||
            (cd "$from" && cp -r --parents "$part" "$stage/usr/lib/modules/$release/") || return
    done
    find "$stage" -name '*.ko.xz' -exec xz --decompress {} +
    ln -s usr/lib "$stage/lib" # where depmod looks
    touch "$stage/lib/modules/$release/modules."{order,builtin,builtin.modinfo}
    depmod --basedir "$stage" "$release" || return
    (cd "$stage" && find usr -mindepth 1 | vm_pack) >"$folder/modules.cpio"
    rm -rf "$stage"
}
