# SPDX-License-Identifier: Apache-2.0
# For another processor, with Debian's cross compilers and libraries:
#   cmake -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=test/cross.cmake -DESPTUN_CROSS=aarch64 [-DCMAKE_SYSROOT=DIR]
# DIR holds the libraries, as test/portable lays them out; without it they are those of a multiarch system (apt-get
# install libssl-dev:arm64 ...). Tests run under qemu-user, where that is installed.
set(ESPTUN_CROSS aarch64 CACHE STRING "Processor to build for, as in the name of its compiler: aarch64, s390x, ...")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ESPTUN_CROSS)
set(triple ${ESPTUN_CROSS}-linux-gnu)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${ESPTUN_CROSS})
set(CMAKE_C_COMPILER ${triple}-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
if(CMAKE_SYSROOT)
    set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
    set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
    set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
endif()
set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/${triple}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")

find_program(ESPTUN_QEMU NAMES qemu-${ESPTUN_CROSS}-static qemu-${ESPTUN_CROSS})
if(ESPTUN_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${ESPTUN_QEMU} -L ${CMAKE_SYSROOT}/)
endif()
