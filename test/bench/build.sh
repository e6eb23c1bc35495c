# SPDX-License-Identifier: Apache-2.0
# For ./test/bench/run and ./test/bench/ike, to be sourced at the root of the tree: how they install and build.
. test/packages.sh

HERE=$PWD/build/bench
LOG=$HERE/build.log

say() { printf '%s\n' "$*" >&2; }

prepare_folder() { mkdir -p "$HERE" || exit 1; }

install_for_benchmarks() {
    # shellcheck disable=SC2086
    install_packages $PACKAGES_BUILD $PACKAGES_BENCH ||
        say "Some packages could not be installed; what needs them will be skipped."
}

# build DIRECTORY CMAKE-OPTIONS...
build() {
    local directory=$HERE/$1
    shift
    if ! { cmake -S . -B "$directory" -DCMAKE_BUILD_TYPE=Release -DESPTUN_TESTS=OFF -DESPTUN_WERROR=OFF "$@" &&
        cmake --build "$directory" -j "${JOBS:-2}"; } >"$LOG" 2>&1; then
        tail -n 40 "$LOG" >&2
        say "The build failed; all of what it said is in $LOG"
        exit 1
    fi
}
