# SPDX-License-Identifier: Apache-2.0
# For ./demo, ./test/run and ./test/bench/run, to be sourced: which Debian packages esptun needs, and their installation.

PACKAGES_BUILD="gcc libc6-dev make cmake pkg-config libssl-dev libsodium-dev libuv1-dev libinih-dev libmnl-dev
                libjansson-dev libmicrohttpd-dev libseccomp-dev libcap-ng-dev uthash-dev"
# Faster ESP ciphers, on x86-64 alone.
[ "$(uname -m)" != x86_64 ] || PACKAGES_BUILD="$PACKAGES_BUILD libipsec-mb-dev"
PACKAGES_DEMO="python3 iproute2 iputils-ping tcpdump"
PACKAGES_UNIT="ninja-build clang clang-format clang-tidy libclang-rt-dev libcmocka-dev python3 iproute2 iputils-ping nftables
               python3-cryptography-vectors python3-cryptography python3-scapy"
PACKAGES_NETNS="python3 iproute2 iputils-ping fping procps ethtool nftables conntrack tcpdump tshark strongswan-charon
                strongswan-swanctl libcharon-extra-plugins libcharon-extauth-plugins vpnc libstrongswan-standard-plugins
                libstrongswan-extra-plugins openssl curl"
PACKAGES_BENCH="python3 iproute2 iputils-ping procps iperf3 ethtool openssl strongswan-charon strongswan-swanctl
                libcharon-extra-plugins libstrongswan-standard-plugins libstrongswan-extra-plugins wireguard-tools openvpn"

# Prints those that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Installs what is missing; asks nothing and starts no service.
install_packages() {
    local missing guard=/usr/sbin/policy-rc.d guarded=no
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian: please install what corresponds to: $*" >&2
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    echo "Installing:" $missing
    if [ ! -e "$guard" ]; then # strongSwan's package would start an IPsec service on this machine
        printf '#!/bin/sh\nexit 101\n' >"$guard" && chmod +x "$guard" && guarded=yes
    fi
    # A mirror that stumbles gets a second try.
    DEBIAN_FRONTEND=noninteractive sh -c '
        options="-q -o Dpkg::Use-Pty=0 -o Acquire::Retries=3"
        for try in 1 2; do
            apt-get $options update && apt-get $options install -y --no-install-recommends "$@" && exit 0
        done
        exit 1' sh $missing >/tmp/esptun-apt.$$ 2>&1
    local code=$?
    [ "$guarded" = yes ] && rm -f "$guard"
    [ $code -eq 0 ] || tail -n 20 /tmp/esptun-apt.$$ >&2
    rm -f /tmp/esptun-apt.$$
    return $code
}

# promtool, the checker of metrics, into DIR: its package would bring a whole monitoring service, which nobody wants on a
# machine that only runs tests.
unpack_promtool() {
    [ ! -x "$1/usr/bin/promtool" ] || return 0
    mkdir -p "$1" && (cd "$1" && apt-get -q download prometheus && dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb) \
        >/dev/null 2>&1
}

need_root() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "$1 installs packages, and makes network namespaces and TUN devices: run it as root (sudo $1)." >&2
        exit 1
    fi
}
